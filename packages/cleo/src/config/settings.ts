import { CleoError, maskKey } from '@cleocode/contracts';
import { describeConfig, isPlugin } from '@cleocode/kernel';
import { resolveDataDir } from '@cleocode/store';
import type { Cli } from '../cli.ts';
import type { Configuration } from '../configuration.ts';
import { kernelConfig } from '../start/kernel-config.ts';
import type { State } from '../state.ts';
import { type AgentToShow, agentToShow } from './agent-to-show.ts';
import { type Setting, setting } from './origins.ts';
import { pluginSettings } from './plugin-settings.ts';

export interface SettingsOf {
  state: State;
  loaded: Configuration;
  cli: Pick<Cli, 'globals' | 'output'>;
  /** The agent that was named on the command line. */
  word: string | undefined;
  /** Hears what keeps a plugin's options from being used. */
  refused(message: string): void;
}

/** Every value an agent would be started with, and what decided it. Registers and starts nothing. */
export async function settings(of: SettingsOf): Promise<Setting[]> {
  const { loaded, state, word } = of;
  const agent = await agentToShow(state, word, loaded).catch((error) => {
    // Nobody is registered yet: there is still a configuration to show.
    if (word === undefined && CleoError.is(error, 'E_NOT_FOUND_AGENT')) return undefined;
    throw error;
  });
  return [
    ...here(of),
    ...agentSettings(of, agent),
    ...(await composed(of, agent)),
    ...describeConfig(loaded)
      .filter(({ path }) => /^(?:inbox|timeouts)\./.test(path))
      .map(({ path, value, origin }) => ({ path, value, origin })),
  ];
}

/** What goes for every agent of this folder. */
function here({ cli, loaded, state }: SettingsOf): Setting[] {
  const { config, file, environment } = loaded;
  const { globals, output } = cli;
  const env = (name: string, value: unknown = process.env[name] || undefined): [string, unknown] => [
    name,
    value,
  ];
  return [
    setting('config', {
      ...(globals.config !== undefined && { flag: ['--config', file] }),
      ...(environment.config !== undefined && { env: ['CLEO_CONFIG', file] }),
      fallback: file ?? null,
    }),
    setting('stateDir', {
      ...(process.env.CLEO_DIR && { env: env('CLEO_DIR', state.dir) }),
      fallback: state.dir,
    }),
    setting('dataDir', {
      ...(process.env.CLEO_DATA_DIR && { env: env('CLEO_DATA_DIR', resolveDataDir()) }),
      fallback: resolveDataDir(),
    }),
    setting('logLevel', {
      flag: ['--log-level', globals.logLevel],
      env: env('CLEO_LOG_LEVEL', environment.logLevel),
      file: config.logLevel,
      fallback: 'info',
    }),
    setting('output', {
      ...(globals.json && { flag: ['--json', 'json'] }),
      env: env('CLEO_OUTPUT'),
      fallback: output.json ? 'json' : 'text',
    }),
    setting('webhookSecret', {
      env: env('CLEO_WEBHOOK_SECRET', process.env.CLEO_WEBHOOK_SECRET && '***'),
      fallback: null,
    }),
  ];
}

function agentSettings({ loaded, word }: SettingsOf, agent: AgentToShow | undefined): Setting[] {
  const { config, environment } = loaded;
  if (!agent) return [setting('agent', { fallback: null })];
  const { agentId, stored } = agent;
  const configured = config.agent?.id === agentId ? config.agent : undefined;
  const { agent: inVariable, apiUrl, apiKeyFile } = configured ? environment : { agent: environment.agent };
  const given = configured?.apiKey;
  return [
    setting('agent.id', {
      ...(word !== undefined && { flag: ['command line', agentId] }),
      env: ['CLEO_AGENT', inVariable],
      file: configured?.id,
      store: stored?.agentId,
      fallback: agentId,
    }),
    setting('agent.apiBaseUrl', {
      env: ['CLEO_API_URL', apiUrl],
      file: configured?.apiBaseUrl,
      store: stored?.apiBaseUrl,
      fallback: agent.apiBaseUrl,
    }),
    setting('agent.apiKey', {
      ...(apiKeyFile !== undefined && given !== undefined && { env: ['CLEO_API_KEY_FILE', maskKey(given)] }),
      file: given && maskKey(given),
      store: stored ? maskKey(stored.apiKey) : undefined,
      fallback: null,
    }),
  ];
}

/** The plugins in the order in which they are composed: the default ones, and the configuration's own. */
async function composed(
  { loaded, state, refused }: SettingsOf,
  agent: AgentToShow | undefined,
): Promise<Setting[]> {
  const credential = agent ?? { agentId: 'an-agent', apiBaseUrl: 'local:' };
  const { transport, plugins = [] } = await kernelConfig({ stateDir: state.dir, credential, loaded });
  const all: Setting[] = [];
  if (isPlugin(transport)) all.push(...(await pluginSettings('transport', transport, loaded, refused)));
  else if (transport) all.push(setting('transport', { file: transport.name, fallback: null }));
  const list = plugins.filter((plugin) => !!plugin);
  for (const [index, plugin] of list.entries())
    all.push(...(await pluginSettings(`plugins[${index}]`, plugin, loaded, refused)));
  // Nobody is registered: the store has nobody to name yet.
  return agent ? all : all.filter(({ value }) => value !== credential.agentId);
}
