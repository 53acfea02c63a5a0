import type { StandardSchemaV1 } from '@standard-schema/spec';
import { KernelError } from './errors.ts';
import type { Plugin } from './plugin.ts';

/**
 * Checks a plugin's options against its schema and answers what the schema makes of them. Throws `E_PLUGIN_OPTIONS` whose
 * message has one line per fault: `plugins[2] (@acme/cleo-plugin-x).everyMs: expected number`.
 */
export async function validateOptions(plugin: Plugin, place: string): Promise<unknown> {
  const { name, options: schema } = plugin.definition as { name: string; options?: StandardSchemaV1 };
  const where = `${place} (${name})`;
  if (!schema) {
    if (plugin.options === undefined || isEmpty(plugin.options)) return undefined;
    throw failure(name, [`${where}: takes no options`]);
  }
  const result = await schema['~standard'].validate(plugin.options ?? {});
  if (!result.issues) return result.value;
  throw failure(
    name,
    result.issues.map((issue) => `${where}${pathOf(issue)}: ${issue.message}`),
  );
}

function failure(plugin: string, lines: string[]): KernelError {
  return new KernelError('E_PLUGIN_OPTIONS', lines.join('\n'), {
    plugin,
    phase: 'setup',
    hint: 'Correct the option in the configuration; the README of the plugin lists them all.',
  });
}

function pathOf(issue: StandardSchemaV1.Issue): string {
  return (issue.path ?? [])
    .map((segment) => (typeof segment === 'object' ? segment.key : segment))
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('');
}

function isEmpty(options: unknown): boolean {
  return typeof options === 'object' && options !== null && Object.keys(options).length === 0;
}
