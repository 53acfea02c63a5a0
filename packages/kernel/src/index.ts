export * from './errors.ts';
export * from './logger.ts';
export * from './plugin.ts';
export * from './state-dir.ts';
