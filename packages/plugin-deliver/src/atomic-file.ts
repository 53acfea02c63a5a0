import { randomBytes } from 'node:crypto';
import { mkdir, open, opendir, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';

const TEMPORARY = /^\.cleo-[0-9a-f]{16}\.tmp$/;
/** A temporary file this old belongs to nobody who still writes it, in milliseconds. */
const LEFT_BEHIND_MS = 60 * 60_000;

/**
 * Writes a file so that its name never shows half of it, not even after a power cut: whole and on disk under a temporary name
 * first, then renamed, then the folder's entry on disk. Whatever had the name is replaced. Only the owner may read it.
 */
export async function writeAtomically(
  folder: string,
  name: string,
  content: string,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  // Never the same twice: an attempt that was given up may still be writing.
  const temporary = join(folder, `.cleo-${randomBytes(8).toString('hex')}.tmp`);
  try {
    await writeDurably(temporary, content);
    signal.throwIfAborted();
    await rename(temporary, join(folder, name));
  } catch (error) {
    // When there is none to remove, the first error says why.
    await unlink(temporary).catch(() => {});
    throw error;
  }
  await syncFolder(folder);
}

/** Makes the folder, for the owner only, and removes what processes that were killed left in it. */
export async function prepareFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for await (const { name } of await opendir(folder)) {
    if (!TEMPORARY.test(name)) continue;
    const path = join(folder, name);
    // Another process may finish or remove it meanwhile.
    const written = await stat(path).catch(() => undefined);
    if (written && Date.now() - written.mtimeMs > LEFT_BEHIND_MS) await unlink(path).catch(() => {});
  }
}

async function writeDurably(path: string, content: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(folder: string): Promise<void> {
  // Windows has no handle for a folder's entries.
  if (process.platform === 'win32') return;
  const entries = await open(folder, 'r');
  try {
    await entries.sync();
  } finally {
    await entries.close();
  }
}
