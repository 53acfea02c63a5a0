import { isPlugin, isPluginFactory } from '../plugin.ts';

/** What a value is, for an error message. Never the text of a string: it may be a key in the wrong place. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint')
    return String(value);
  if (typeof value === 'string') return value === '' ? 'an empty string' : 'a string';
  if (isPlugin(value)) return `the plugin ${value.definition.name}`;
  if (isPluginFactory(value)) return `the plugin factory ${value.definition.name}`;
  if (typeof value === 'function') return /^class\b/.test(String(value)) ? 'a class' : 'a function';
  if (Array.isArray(value)) return value.length === 1 ? 'a list of 1' : `a list of ${value.length}`;
  if (typeof value === 'object' && typeof (value as { then?: unknown }).then === 'function')
    return 'a promise';
  if (isDefinition(value)) return "a plugin's definition";
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** What `definePlugin` takes. */
export function isDefinition(value: unknown): boolean {
  return typeof value === 'object' && typeof (value as { setup?: unknown } | null)?.setup === 'function';
}
