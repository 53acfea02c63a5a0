import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CleoError } from '@cleocode/contracts';
import { resolveStateDir } from '@cleocode/kernel/define';
import type { Dock } from '@cleocode/signaldock';
import type { Store } from '@cleocode/store';
import { printable } from './terminal-text.ts';

/** The state folder as a command uses it: its two databases, each opened when it is first asked for. */
export class State {
  readonly dir: string;
  #store: Promise<Store> | undefined;
  #dock: Promise<Dock> | undefined;

  constructor(dir: string) {
    this.dir = dir;
  }

  /**
   * Something was registered in this folder before; where the database is lost, opening the store puts it back. A command that only
   * reads makes no folder.
   */
  get hasStore(): boolean {
    return this.hasDatabase || existsSync(join(this.dir, 'credentials.backup'));
  }

  get hasDatabase(): boolean {
    return existsSync(join(this.dir, 'state.db'));
  }

  /** Whether the embedded backend has been used here. */
  get hasDock(): boolean {
    return existsSync(this.dockFile);
  }

  get dockFile(): string {
    return join(this.dir, 'signaldock.db');
  }

  /** Makes the folder when it is missing. */
  store(): Promise<Store> {
    this.#store ??= import('@cleocode/store').then(({ openStore }) =>
      openStore({ dir: this.dir, onWarning: tellWarning }),
    );
    return this.#store;
  }

  /** Makes the folder when it is missing. */
  dock(): Promise<Dock> {
    this.#dock ??= import('@cleocode/signaldock').then(({ openDock }) =>
      openDock({ file: this.dockFile, retentionDays: 0 }),
    );
    return this.#dock;
  }

  async close(): Promise<void> {
    const opened = await Promise.allSettled([this.#store, this.#dock]);
    for (const one of opened) if (one.status === 'fulfilled') await one.value?.close();
  }
}

/** Runs `work` on the state folder of the working directory, and closes what it opened. */
export async function withState<T>(work: (state: State) => Promise<T>): Promise<T> {
  const state = new State(resolveStateDir());
  try {
    return await work(state);
  } finally {
    await state.close();
  }
}

function tellWarning({ code, message, hint }: CleoError): void {
  process.stderr.write(`warning ${code}: ${printable(message)}\n${hint ? `  → ${printable(hint)}\n` : ''}`);
}
