import { describeConfig, type PluginFactory } from '@cleocode/kernel';
import { heartbeat } from '@cleocode/plugin-heartbeat';
import { keyRotation } from '@cleocode/plugin-key-rotation';
import { poller } from '@cleocode/plugin-poller';
import { sse } from '@cleocode/plugin-sse';
import { credentials, store } from '@cleocode/store';
import { httpTransport } from '@cleocode/transport-http';
import { localTransport } from '@cleocode/transport-local';
import { configSchema } from '../../packages/kernel/src/config/schema.ts';
import exec from '../../packages/plugin-deliver/src/exec.ts';
import file from '../../packages/plugin-deliver/src/file.ts';
import stdout from '../../packages/plugin-deliver/src/stdout.ts';
import webhook from '../../packages/plugin-deliver/src/webhook.ts';
import { config } from '../../packages/runtime/src/runtime-config.ts';
import { code } from './markdown.ts';
import { optionDocs } from './option-docs.ts';
import { type Option, optionsOf, type Schema } from './options.ts';

/** The options of one thing that can be configured. */
export interface OptionSection {
  heading: string;
  /** How they are given. */
  words: string;
  /** What precedes each name: `inbox.` */
  prefix: string;
  options: Option[];
  /** The document that also tells of them, in its own words. */
  told: string;
}

export function optionSections(): OptionSection[] {
  return [...ofConfiguration(), ...PLUGINS.map(ofPlugin), ofRuntime()];
}

const KERNEL = 'packages/kernel/src';

function ofConfiguration(): OptionSection[] {
  const { agent, inbox, timeouts } = configSchema.shape;
  const part = (schema: Schema, prefix: string, [file, name]: [string, string]) => ({
    prefix,
    options: optionsOf(schema, optionDocs(`${KERNEL}/${file}`, name), defaultsOf(prefix)),
    told: 'docs/configuration.md',
  });
  return [
    {
      heading: 'The configuration',
      words:
        'What `cleo.config.ts` exports, with [`defineConfig`](api/kernel.md#defineconfig), or what stands in JSON or YAML.',
      ...part(configSchema, '', ['config/types.ts', 'CleoConfig']),
    },
    {
      heading: 'The agent',
      words: 'When `agent` is an object.',
      ...part(agent, 'agent.', ['config/types.ts', 'AgentConfig']),
    },
    {
      heading: 'The inbox',
      words: 'How much the agent takes in, and how it tries again.',
      ...part(inbox, 'inbox.', ['inbox/options.ts', 'InboxOptions']),
    },
    {
      heading: 'Deadlines',
      words: 'In milliseconds.',
      ...part(timeouts, 'timeouts.', ['config/types.ts', 'KernelTimeouts']),
    },
  ];
}

/** What the kernel says that it uses where nothing is configured. */
function defaultsOf(prefix: string): Record<string, unknown> {
  const entries = describeConfig({ config: { plugins: [] }, file: undefined }, { CLEO_DIR: '.' });
  const own = entries.filter(({ path, value }) => path.startsWith(prefix) && value !== null);
  return Object.fromEntries(own.map(({ path, value }) => [path.slice(prefix.length), value]));
}

type OfPlugin = [call: string, factory: PluginFactory<never>, names: string, source: string];

const PLUGINS: OfPlugin[] = [
  ['poller', poller, '`poller`', 'plugin-poller/src/plugin.ts'],
  ['sse', sse, '`sse`', 'plugin-sse/src/plugin.ts'],
  ['heartbeat', heartbeat, '`heartbeat`', 'plugin-heartbeat/src/plugin.ts'],
  ['keyRotation', keyRotation, '`key-rotation`', 'plugin-key-rotation/src/plugin.ts'],
  ['exec', exec, '`deliver/exec`', 'plugin-deliver/src/exec.ts'],
  ['webhook', webhook, '`deliver/webhook`', 'plugin-deliver/src/webhook.ts'],
  ['file', file, '`deliver/file`', 'plugin-deliver/src/file.ts'],
  ['stdout', stdout, '`deliver/stdout`', 'plugin-deliver/src/stdout.ts'],
  ['localTransport', localTransport, '`local`, as the `transport`', 'transport-local/src/plugin.ts'],
  ['httpTransport', httpTransport, '`http`, as the `transport`', 'transport-http/src/plugin.ts'],
  ['store', store, '`@cleocode/store`', 'store/src/plugin.ts'],
  ['credentials', credentials, '', 'store/src/credentials-plugin.ts'],
];

function ofPlugin([call, factory, names, source]: OfPlugin): OptionSection {
  const folder = source.split('/')[0]!;
  const schema: Schema = factory.definition.options as never;
  const { name } = factory.definition;
  return {
    heading: call,
    words: `${code(`${call}({ … })`)} of [${name}](../../packages/${folder}/README.md)${names && `; by name: ${names}`}.`,
    prefix: '',
    options: optionsOf(schema, optionDocs(`packages/${source}`, 'options')),
    told: `packages/${folder}/README.md`,
  };
}

function ofRuntime(): OptionSection {
  return {
    heading: 'createRuntime',
    words: 'The second argument of [`createRuntime`](api/runtime.md#createruntime).',
    prefix: '',
    options: optionsOf(config, optionDocs('packages/runtime/src/runtime-config.ts', 'config')),
    told: 'packages/runtime/README.md',
  };
}
