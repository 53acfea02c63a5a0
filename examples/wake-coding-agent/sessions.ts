import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Which session of the tool a conversation has: one small file each, replaced whole. */
export class Sessions {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  get(conversation: readonly string[]): string | undefined {
    try {
      return JSON.parse(readFileSync(this.#file(conversation), 'utf8')).session;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  set(conversation: readonly string[], session: string): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const temporary = join(this.#folder, `.${randomUUID()}.tmp`);
    writeFileSync(temporary, `${JSON.stringify({ conversation, session })}\n`, { mode: 0o600 });
    renameSync(temporary, this.#file(conversation));
  }

  /** A hash: an id may be anything, a file name may not. */
  #file(conversation: readonly string[]): string {
    const name = createHash('sha256').update(JSON.stringify(conversation)).digest('hex').slice(0, 32);
    return join(this.#folder, `${name}.json`);
  }
}
