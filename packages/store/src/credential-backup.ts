import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { StoredCredential } from './credential-table.ts';
import type { RotationRow } from './rotation-steps.ts';

/** What is kept beside the database: rows as they are stored, their secrets sealed. */
export interface Generation {
  credentials: StoredCredential[];
  rotations: RotationRow[];
}

const FORMAT = 'cleo-credentials 1';

/**
 * The credentials once more, outside the database, for the day that is damaged: the newest generation and the one before, each
 * with a checksum. A generation gets its name only when it is whole and on disk.
 */
export class CredentialBackup {
  readonly file: string;
  readonly #before: string;

  constructor(dir: string) {
    this.file = join(dir, 'credentials.backup');
    this.#before = `${this.file}.1`;
  }

  /** The newest generation that is whole, if there is one. */
  load(): Generation | undefined {
    return read(this.file) ?? read(this.#before);
  }

  /** Called by one process at a time. `forget`: what is not in this generation is in no other either. */
  save(generation: Generation, { forget = false } = {}): void {
    const text = encode(generation);
    if (!forget && read(this.file)) renameSync(this.file, this.#before);
    put(this.file, text);
    if (forget) put(this.#before, text);
  }
}

function put(file: string, text: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text, { mode: 0o600, flush: true });
    renameSync(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
  }
  if (process.platform === 'win32') return;
  const folder = openSync(dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function encode(generation: Generation): string {
  const body = JSON.stringify(generation, (_, value) =>
    value instanceof Uint8Array ? { base64: Buffer.from(value).toString('base64') } : value,
  );
  return `${FORMAT} ${checksum(body)}\n${body}\n`;
}

/** A file that cannot be read is as good as none. */
function read(file: string): Generation | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  const [head, body = ''] = text.split('\n');
  if (head !== `${FORMAT} ${checksum(body)}`) return undefined;
  return JSON.parse(body, (_, value) =>
    typeof value?.base64 === 'string' ? Buffer.from(value.base64, 'base64') : value,
  );
}

function checksum(body: string): string {
  return createHash('sha256').update(body).digest('hex');
}
