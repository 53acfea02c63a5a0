import { dirname, join, resolve } from 'node:path';
import type { KernelTimeouts } from '@cleocode/kernel';
import { resolveDataDir } from '@cleocode/store';
import type { GlobalOptions } from '../cli.ts';
import type { StartOptions } from '../commands/agent-start.ts';
import type { Environment } from '../environment.ts';
import { UsageError } from '../usage-error.ts';

/** What keeps an agent running, whoever does it. */
export interface Service {
  agentId: string;
  /** The program and its arguments. */
  command: string[];
  workingDirectory: string;
  environment: Record<string, string>;
  stateDir: string;
  /** How long a stop may take before it is forced, in seconds. */
  stopSeconds: number;
}

export interface ServiceParts {
  agentId: string;
  stateDir: string;
  options: StartOptions;
  globals: GlobalOptions;
  environment: Environment;
  timeouts: KernelTimeouts | undefined;
  /** What the environment says of an agent's backend is about this one. */
  isConfigured: boolean;
  env: NodeJS.ProcessEnv;
}

const BIN = join(import.meta.dirname, '../bin.js');

/** Throws a `UsageError` where the command itself will not stay where it is. */
export function serviceOf(parts: ServiceParts): Service {
  const { agentId, stateDir, timeouts = {} } = parts;
  if (/[/\\]_npx[/\\]/.test(BIN))
    throw new UsageError(
      'npx has fetched this command into a folder that it clears again',
      'Install it first: npm install --global @cleocode/cleo',
    );
  const { drainMs = 10_000, stopMs = 5_000 } = timeouts;
  return {
    agentId,
    command: [
      process.execPath,
      BIN,
      'agent',
      'start',
      agentId,
      ...startFlags(parts.options),
      ...globalFlags(parts),
    ],
    workingDirectory: process.cwd(),
    environment: environmentOf(parts),
    stateDir,
    // Each plugin has its own deadline, and they end one after another.
    stopSeconds: Math.ceil((drainMs + 10 * stopMs) / 1_000),
  };
}

/** The flags of `cleo agent start` as they were given. */
function startFlags(options: StartOptions): string[] {
  const each = (flag: string, values: readonly string[] = []) => values.flatMap((value) => [flag, value]);
  return [
    ...each('--exec', options.exec),
    ...each('--webhook', options.webhook),
    ...(options.allowPrivate ? ['--allow-private'] : []),
    ...each('--file', options.file),
    ...(options.stdout ? ['--stdout'] : []),
    ...(options.reply ? ['--reply'] : []),
    ...each('--group', options.group),
    ...(options.pollInterval === undefined ? [] : ['--poll-interval', String(options.pollInterval)]),
    ...(options.heartbeat === false ? ['--no-heartbeat'] : []),
  ];
}

function globalFlags({ globals, environment }: ServiceParts): string[] {
  const config = globals.config ?? environment.config;
  const level = globals.logLevel ?? environment.logLevel;
  return [
    ...(config === undefined ? [] : ['--config', resolve(config)]),
    ...(level === undefined ? [] : ['--log-level', level]),
    ...(globals.verbose ? ['--verbose'] : []),
  ];
}

/** No key: where one is, at most. `PATH` is for what the handlers run. */
function environmentOf({
  agentId,
  stateDir,
  environment,
  isConfigured,
  env,
}: ServiceParts): Record<string, string> {
  const { apiUrl, apiKeyFile, pollInterval } = environment;
  const about = isConfigured && (apiUrl !== undefined || apiKeyFile !== undefined);
  return {
    CLEO_DIR: stateDir,
    // A service manager need not know what the shell says of the user's folders.
    ...((env.CLEO_DATA_DIR || env.XDG_DATA_HOME) && { CLEO_DATA_DIR: resolveDataDir(undefined, env) }),
    ...(about && { CLEO_AGENT: agentId }),
    ...(about && apiUrl !== undefined && { CLEO_API_URL: apiUrl }),
    ...(about && apiKeyFile !== undefined && { CLEO_API_KEY_FILE: resolve(apiKeyFile) }),
    ...(pollInterval !== undefined && { CLEO_POLL_INTERVAL: String(pollInterval) }),
    ...(env.NODE_EXTRA_CA_CERTS && { NODE_EXTRA_CA_CERTS: resolve(env.NODE_EXTRA_CA_CERTS) }),
    PATH: env.PATH || dirname(process.execPath),
  };
}
