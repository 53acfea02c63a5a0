import type { KeyIssuer } from '@cleocode/contracts';

/** By which the registry of a store is known, whichever copy of this package opened it. */
const brand = Symbol.for('@cleocode/store/origin');

/** The store behind a registry, as options of the plugin `store`. */
export interface RegistryOrigin {
  dir: string;
  dataDir: string;
  issuer?: KeyIssuer;
}

/** Where a registry that `openStore` gave keeps its credentials; `undefined` for one of another make. */
export function registryOrigin(registry: object): RegistryOrigin | undefined {
  return (registry as { [brand]?: RegistryOrigin })[brand];
}

export function withOrigin<T extends object>(registry: T, origin: RegistryOrigin): T {
  return Object.defineProperty(registry, brand, { value: Object.freeze(origin) });
}
