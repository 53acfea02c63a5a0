import { randomUUID } from 'node:crypto';
import { globSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Workbench } from './workbench.ts';

const [LIBRARY] = globSync('/usr/lib/*/faketime/libfaketime.so.1');
/** A process looks at the file again after this long. */
const LOOK_SECONDS = 1;

/** The wall clock of processes, by libfaketime, which the scenario sets as it likes. Their monotonic clock is left alone. */
export class WallClock {
  readonly #file: string;

  /** Why there can be none. */
  static missing(): string | undefined {
    return LIBRARY === undefined ? 'needs libfaketime' : undefined;
  }

  constructor(bench: Workbench) {
    this.#file = join(bench.folder, `wall-clock-${randomUUID()}`);
    this.jump(0);
  }

  /** For processes that are to go by it. */
  get env(): Record<string, string> {
    return {
      LD_PRELOAD: LIBRARY!,
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_CACHE_DURATION: `${LOOK_SECONDS}`,
    };
  }

  /** So many hours off from here on, as soon as a process looks again: within a second. */
  jump(hours: number): void {
    this.#set(`${hours < 0 ? '' : '+'}${hours * 3_600}`);
  }

  /** So many times as fast from here on. */
  run(speed: number): void {
    this.#set(`+0 x${speed}`);
  }

  /** At once: a process may look at any moment. */
  #set(text: string): void {
    writeFileSync(`${this.#file}.next`, `${text}\n`);
    renameSync(`${this.#file}.next`, this.#file);
  }
}
