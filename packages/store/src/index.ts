export type { DeadLetters, PendingReplay } from './dead-letters.ts';
export { type ImportOptions, importCredentials, readCredentialFile } from './import.ts';
export { resolveDataDir } from './machine-key.ts';
export { type StorePluginOptions, store, store as default } from './plugin.ts';
export type { RetentionLimits } from './retention.ts';
export type { HeldConversation, SetAside } from './set-aside.ts';
export { openStore, type Store, type StoreOptions, type StoreRegistry } from './store.ts';
