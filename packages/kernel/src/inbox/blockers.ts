import type { Problem } from '@cleocode/contracts';
import type { Logger } from '../logger.ts';

/** So long after it did so last, a plugin is told of; and it is logged no more often. */
const REMEMBERED_MS = 600_000;

/** Which plugins have lately blocked the process: the agent works, and everything in it waits for them. */
export class Blockers {
  readonly #logger: Logger;
  readonly #lately = new Map<string, { ms: number; at: number; loggedAt: number }>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** A message handler of the plugin ran for `ms` before it returned. */
  note(plugin: string, ms: number): void {
    const now = performance.now();
    const known = this.#lately.get(plugin);
    const isNews = !known || now - known.loggedAt > REMEMBERED_MS;
    this.#lately.set(plugin, { ms, at: now, loggedAt: isNews ? now : known.loggedAt });
    if (!isNews) return;
    const { code, hint } = this.#of([plugin]);
    this.#logger.warn('a message handler blocked the process', { plugin, code, ms: Math.round(ms), hint });
  }

  problem(): Problem | undefined {
    for (const [plugin, { at }] of this.#lately)
      if (performance.now() - at > REMEMBERED_MS) this.#lately.delete(plugin);
    return this.#lately.size > 0 ? this.#of([...this.#lately.keys()]) : undefined;
  }

  #of(plugins: readonly string[]): Problem {
    const each = plugins.map((plugin) => `${plugin} for ${Math.round(this.#lately.get(plugin)!.ms)} ms`);
    const [handlers, theirs] =
      each.length === 1 ? ['a message handler', 'its'] : ['message handlers', 'their'];
    return {
      code: 'handler_blocks',
      message: `${handlers} blocked the process: ${each.join(', ')}`,
      hint: `Nothing else runs meanwhile. Let ${theirs} plugin do that work in a worker thread or a process of its own.`,
    };
  }
}
