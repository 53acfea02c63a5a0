import { errorText, withDeadline } from '@cleocode/contracts';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { KernelError } from './errors.ts';
import type { Plugin } from './plugin.ts';
import { givenTwice, type OldName, withNewNames } from './renamed.ts';

/**
 * Checks a plugin's options against its schema, which has `timeoutMs` to answer, and gives what the schema makes of them.
 * `onOldName` hears of each option that is called by an old name. Throws `E_PLUGIN_OPTIONS` whose message has one line per fault:
 * `plugins[2] (@acme/cleo-plugin-x).everyMs: expected number`.
 */
export async function validateOptions(
  plugin: Plugin,
  place: string,
  timeoutMs: number,
  onOldName: (old: OldName) => void,
): Promise<unknown> {
  const { name, options: schema } = plugin.definition as { name: string; options?: StandardSchemaV1 };
  const where = `${place} (${name})`;
  const { value: given, old, twice } = withNewNames(plugin.options, plugin.definition.renamedOptions);
  if (!schema) {
    if (plugin.options === undefined || isEmpty(plugin.options)) return undefined;
    throw failure(name, [`${where}: takes no options`]);
  }
  if (twice.length > 0)
    throw failure(
      name,
      twice.map((one) => `${where}.${one.from}: ${givenTwice(one)}`),
    );
  for (const one of old) onOldName(one);
  // A schema is anyone's: it may throw, or ask a server that does not answer.
  const result = await withDeadline(
    (async () => schema['~standard'].validate(given ?? {}))(),
    timeoutMs,
    () => new Error(`the check did not end within ${timeoutMs} ms`),
  ).catch((cause) => {
    throw failure(name, [`${where}: ${errorText(cause)}`], cause);
  });
  if (!result.issues) return result.value;
  throw failure(
    name,
    result.issues.map((issue) => `${where}${pathOf(issue)}: ${issue.message}`),
  );
}

function failure(plugin: string, lines: string[], cause?: unknown): KernelError {
  return new KernelError('E_PLUGIN_OPTIONS', lines.join('\n'), {
    plugin,
    phase: 'setup',
    hint: 'Correct the option in the configuration; the README of the plugin lists them all.',
    ...(cause !== undefined && { cause }),
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
