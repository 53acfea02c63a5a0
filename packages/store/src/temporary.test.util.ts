import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CleoError } from '@cleocode/contracts';
import { expect, onTestFinished } from 'vitest';
import { openStore, type Store, type StoreOptions } from './store.ts';

/** A state folder and a data folder that end with the test. */
export function temporaryFolders(): { dir: string; dataDir: string } {
  const root = mkdtempSync(join(tmpdir(), 'cleo-store-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  return { dir: join(root, '.cleo'), dataDir: join(root, 'data') };
}

/** A store in folders of its own, or in the given ones, closed when the test ends. */
export async function temporaryStore(options: Partial<StoreOptions> = {}): Promise<Store> {
  const store = await openStore({ ...temporaryFolders(), ...options });
  onTestFinished(() => store.close());
  return store;
}

/** The error something ends with, which must be a `CleoError`. */
export async function refusal(promise: unknown): Promise<CleoError> {
  const error = await Promise.resolve(promise).then(
    () => expect.fail('it resolved'),
    (reason) => reason,
  );
  if (!CleoError.is(error)) throw error;
  return error;
}
