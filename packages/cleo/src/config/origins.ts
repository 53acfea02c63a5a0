import { relative } from 'node:path';

/** A value and what decided it. */
export interface Setting {
  /** `inbox.concurrency`, `plugins[0].intervalMs`. */
  path: string;
  /** Plain data with secrets masked; null where there is none. */
  value: unknown;
  origin: 'flag' | 'env' | 'file' | 'store' | 'default';
  /** The flag or the variable. */
  source?: string;
}

/** What decided a value: the first of these that says something. */
export interface Candidates {
  flag?: [name: string, value: unknown] | undefined;
  env?: [name: string, value: unknown] | undefined;
  file?: unknown;
  store?: unknown;
  fallback: unknown;
}

export function setting(path: string, { flag, env, file, store, fallback }: Candidates): Setting {
  if (flag && flag[1] !== undefined) return { path, value: flag[1], origin: 'flag', source: flag[0] };
  if (env && env[1] !== undefined) return { path, value: env[1], origin: 'env', source: env[0] };
  if (file !== undefined) return { path, value: file, origin: 'file' };
  if (store !== undefined) return { path, value: store, origin: 'store' };
  return { path, value: fallback, origin: 'default' };
}

/** An origin in words; `file` is the configuration's. */
export function originText({ origin, source }: Setting, file: string | undefined): string {
  switch (origin) {
    case 'flag':
      return source ?? 'command line';
    case 'env':
      return `environment ${source}`;
    case 'file':
      return file === undefined ? 'configuration' : relative('', file);
    case 'store':
      return 'registered';
    default:
      return 'default';
  }
}
