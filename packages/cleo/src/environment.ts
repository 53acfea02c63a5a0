import { readFileSync, statSync } from 'node:fs';
import { agentIdSchema, hopsOf, nextHop } from '@cleocode/contracts';
import { type GlobalOptions, LOG_LEVELS } from './cli.ts';
import { UsageError } from './usage-error.ts';

/** Every variable the command reads. A flag outranks it, it outranks the configuration file. Empty is as good as not set. */
export const VARIABLES = {
  CLEO_DIR: 'the state folder',
  CLEO_DATA_DIR: 'the folder of the machine key',
  CLEO_CONFIG: 'the configuration file',
  CLEO_AGENT: "the agent's id",
  CLEO_API_URL: "where the agent's backend answers",
  CLEO_API_KEY_FILE: "a file that holds the agent's key there, and nothing else",
  CLEO_LOG_LEVEL: LOG_LEVELS.join(', '),
  CLEO_POLL_INTERVAL: 'time between polls, in milliseconds',
  CLEO_OUTPUT: 'json or text',
  CLEO_WEBHOOK_SECRET: 'signs what --webhook posts',
} as const;

/** What the environment says of what a configuration file, or a flag, could say as well. */
export interface Environment {
  config?: string;
  agent?: string;
  apiUrl?: string;
  apiKeyFile?: string;
  logLevel?: NonNullable<GlobalOptions['logLevel']>;
  pollInterval?: number;
}

/** Throws a `UsageError` that names the variable. */
export function readEnvironment(env: NodeJS.ProcessEnv = process.env): Environment {
  const { CLEO_CONFIG, CLEO_AGENT, CLEO_API_URL, CLEO_API_KEY_FILE, CLEO_LOG_LEVEL, CLEO_POLL_INTERVAL } =
    env;
  return {
    ...(CLEO_CONFIG && { config: CLEO_CONFIG }),
    ...(CLEO_AGENT && { agent: agentOf(CLEO_AGENT) }),
    ...(CLEO_API_URL && { apiUrl: addressOf(CLEO_API_URL) }),
    ...(CLEO_API_KEY_FILE && { apiKeyFile: CLEO_API_KEY_FILE }),
    ...(CLEO_LOG_LEVEL && { logLevel: levelOf(CLEO_LOG_LEVEL) }),
    ...(CLEO_POLL_INTERVAL && { pollInterval: intervalOf(CLEO_POLL_INTERVAL) }),
  };
}

/** The key in the file that `CLEO_API_KEY_FILE` names. Its mode is left to whoever mounts it: secrets of containers are 0444. */
export function readKeyFile(file: string): string {
  const hint = 'Name a file that holds the key alone, as the backend showed it.';
  let text: string;
  try {
    const stat = statSync(file);
    // A pipe might never end.
    if (!stat.isFile()) throw new Error(`${file} is no file`);
    if (stat.size > MAX_KEY_BYTES) throw new Error(`${file} is too large for a key`);
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new UsageError(`CLEO_API_KEY_FILE: ${(cause as Error).message}`, hint, { cause });
  }
  const key = text.replace(/^\uFEFF/, '').trim();
  if (key === '') throw new UsageError(`CLEO_API_KEY_FILE: ${file} is empty`, hint);
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new UsageError(`CLEO_API_KEY_FILE: ${file} holds more than a key, or none`, hint);
}

/** Variables that look like ours and are none: a slip, or the key itself, which is never read from the environment. */
export function strayVariables(env: NodeJS.ProcessEnv = process.env): string[] {
  const known = new Set<string>([...Object.keys(VARIABLES), ...OF_A_HANDLER]);
  return Object.keys(env).filter((name) => name.startsWith('CLEO_') && !known.has(name));
}

/** The metadata of what is sent by a command that handles a message: one more answer in a row. */
export function metadataOfHandler(
  env: NodeJS.ProcessEnv = process.env,
): ReturnType<typeof nextHop> | undefined {
  if (env.CLEO_HOPS === undefined) return undefined;
  return nextHop(hopsOf({ metadata: { cleo: { hops: Number(env.CLEO_HOPS) } } }));
}

/** What a command that handles a message is given. */
const OF_A_HANDLER = [
  'CLEO_AGENT_ID',
  'CLEO_MESSAGE_ID',
  'CLEO_FROM',
  'CLEO_THREAD_ID',
  'CLEO_ATTEMPT',
  'CLEO_HOPS',
];
const MAX_KEY_BYTES = 16 * 1024;
/** The longest a timer can wait. */
const MAX_MS = 2 ** 31 - 1;

function agentOf(text: string): string {
  const result = agentIdSchema.safeParse(text);
  if (result.success) return result.data;
  throw new UsageError(
    `CLEO_AGENT: ${JSON.stringify(text)} is not an agent id`,
    `It must be one: ${result.error.issues[0]!.message}.`,
  );
}

function addressOf(text: string): string {
  if (text === 'local:') return text;
  const url = URL.parse(text);
  // What may be a secret is not repeated.
  if (url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash)
    return text;
  throw new UsageError(
    'CLEO_API_URL is no http(s) address without user name, password, ? and #',
    'Give the address of the backend, such as https://api.example.com, or local: for the embedded one.',
  );
}

function levelOf(text: string): Environment['logLevel'] {
  const level = LOG_LEVELS.find((one) => one === text);
  if (level) return level;
  throw new UsageError(`CLEO_LOG_LEVEL is "${text}"`, `Set it to one of ${LOG_LEVELS.join(', ')}.`);
}

function intervalOf(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= MAX_MS) return value;
  throw new UsageError(
    `CLEO_POLL_INTERVAL is "${text}"`,
    `Set it to a whole number of milliseconds from 1 to ${MAX_MS}.`,
  );
}
