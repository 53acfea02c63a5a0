// Every handler may need it, and who writes one depends on the kernel.
export { PermanentError } from '@cleocode/contracts';
export { type ConfigEntry, describeConfig } from './config/describe-config.ts';
export { type LoadConfigOptions, type LoadedConfig, loadConfig } from './config/load.ts';
export { type ResolveConfigOptions, resolveConfig } from './config/resolve-config.ts';
export { isTransport } from './config/schema.ts';
export * from './config/types.ts';
export type { KernelDescription } from './describe.ts';
export type { DispatchResult } from './dispatch.ts';
export * from './errors.ts';
export type { InboxOptions } from './inbox/options.ts';
export type {
  Kernel,
  KernelConfig,
  KernelState,
  StopReport,
} from './kernel.ts';
export { createKernel } from './kernel.ts';
export * from './logger.ts';
export { packageVersion } from './package-version.ts';
export * from './plugin.ts';
export { type OldName, type Renaming, type Renamings, withNewNames } from './renamed.ts';
export * from './state-dir.ts';
