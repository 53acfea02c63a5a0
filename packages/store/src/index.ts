export type { DeadLetters, PendingReplay } from './dead-letters.ts';
export { type StorePluginOptions, store, store as default } from './plugin.ts';
export type { Rotate } from './registry.ts';
export type { RetentionLimits } from './retention.ts';
export { openStore, type Store, type StoreOptions } from './store.ts';
