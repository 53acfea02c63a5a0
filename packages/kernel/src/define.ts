// What a plugin is made with, without the kernel that runs it: who uses a class of its package alone loads no more.
export type { Logger } from './logger.ts';
export { packageVersion } from './package-version.ts';
export * from './plugin.ts';
export { resolveStateDir } from './state-dir.ts';
