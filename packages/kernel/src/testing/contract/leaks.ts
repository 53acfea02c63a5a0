import { inspect } from 'node:util';
import type { Logger } from '../../logger.ts';

/** Looks for a secret in everything that a plugin logs, before the log masks it, and that the process prints meanwhile. */
export class Leaks {
  readonly found: string[] = [];
  readonly #spellings: string[];
  readonly #undo: (() => void)[] = [];

  constructor(secret: string) {
    const bytes = Buffer.from(secret);
    // Without its end, which depends on what follows it in a longer text.
    const base64 = bytes.subarray(0, bytes.length - (bytes.length % 3)).toString('base64');
    this.#spellings = [secret, encodeURIComponent(secret), base64];
    for (const name of ['log', 'info', 'warn', 'error', 'debug'] as const)
      this.#watch(console, name, `console.${name}`);
    this.#watch(process.stdout, 'write', 'process.stdout');
    this.#watch(process.stderr, 'write', 'process.stderr');
  }

  /** The same logger, looked at. */
  watching(logger: Logger): Logger {
    const at =
      (level: 'debug' | 'info' | 'warn' | 'error') => (message: string, fields?: Record<string, unknown>) => {
        this.look(`logger.${level}(${JSON.stringify(message.slice(0, 40))})`, [message, fields]);
        logger[level](message, fields);
      };
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (fields) => {
        this.look('logger.child', [fields]);
        return this.watching(logger.child(fields));
      },
    };
  }

  look(where: string, values: readonly unknown[]): void {
    const text = values
      .map((value) => (typeof value === 'string' ? value : inspect(value, { depth: 8 })))
      .join('\n');
    if (this.#spellings.some((spelling) => text.includes(spelling))) this.found.push(this.#masked(where));
  }

  close(): void {
    for (const undo of this.#undo.splice(0)) undo();
  }

  #watch<K extends string>(owner: { [P in K]: unknown }, name: K, where: string): void {
    const real = owner[name] as (...values: unknown[]) => unknown;
    const noting = (...values: unknown[]): unknown => {
      this.look(where, values);
      return Reflect.apply(real, owner, values);
    };
    owner[name] = noting as (typeof owner)[K];
    this.#undo.push(() => {
      // Somebody may have put their own in its place meanwhile: that stays.
      if (owner[name] === noting) owner[name] = real as (typeof owner)[K];
    });
  }

  #masked(text: string): string {
    return this.#spellings.reduce((shown, spelling) => shown.replaceAll(spelling, '***'), text);
  }
}
