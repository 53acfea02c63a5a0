import childProcess from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

type Functions = Record<string, unknown>;

/** Runs synchronous `work` and answers which calls it made that block on files or processes, such as `readFileSync`. */
export function blockingCalls(work: () => void): string[] {
  const calls = new Set<string>();
  const undo: (() => void)[] = [];
  for (const module of [fs, childProcess] as unknown as Functions[])
    for (const [name, real] of Object.entries(module)) {
      if (!name.endsWith('Sync') || typeof real !== 'function') continue;
      const noting = function (this: unknown, ...given: unknown[]): unknown {
        calls.add(name);
        return Reflect.apply(real, this, given);
      };
      // Such as `realpathSync.native`.
      module[name] = Object.assign(noting, real);
      undo.push(() => {
        module[name] = real;
      });
    }
  syncBuiltinESMExports();
  try {
    work();
  } finally {
    for (const one of undo) one();
    syncBuiltinESMExports();
  }
  return [...calls];
}
