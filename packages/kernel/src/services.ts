import type { ServiceRef } from '@cleocode/contracts';
import { KernelError } from './errors.ts';

/** The kernel itself, as a provider of services. */
export const KERNEL = 'kernel';

/** What the plugins of one kernel give each other. */
export class Services {
  readonly #provided = new Map<string, { provider: string; implementation: unknown }>();

  provide(provider: string, ref: ServiceRef<unknown>, implementation: unknown): void {
    const holder = this.#provided.get(ref.id);
    if (holder)
      throw new KernelError(
        'E_SERVICE_DUPLICATE',
        `service "${ref.id}" is provided by both ${holder.provider} and ${provider}`,
        {
          plugin: provider,
          phase: 'setup',
          hint: `Remove ${provider === KERNEL ? holder.provider : provider} from the plugins.`,
        },
      );
    this.#provided.set(ref.id, { provider, implementation });
  }

  has(ref: ServiceRef<unknown>): boolean {
    return this.#provided.has(ref.id);
  }

  get<T>(ref: ServiceRef<T>): T | undefined {
    return this.#provided.get(ref.id)?.implementation as T | undefined;
  }

  /** The name of the plugin that gives it. */
  providerOf(ref: ServiceRef<unknown>): string | undefined {
    return this.#provided.get(ref.id)?.provider;
  }

  list(): { id: string; provider: string }[] {
    return [...this.#provided].map(([id, { provider }]) => ({ id, provider }));
  }
}
