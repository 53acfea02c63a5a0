import { agentIdSchema, type Transport } from '@cleocode/contracts';
import { z } from 'zod';
import { KernelError } from '../errors.ts';
import { type InboxOptions, withDefaults } from '../inbox/options.ts';
import type { LogLevel } from '../logger.ts';
import { isPlugin, isPluginFactory } from '../plugin.ts';
import { givenTwice, type OldName, RENAMED_OPTIONS, withNewNames } from '../renamed.ts';
import { describeValue, isDefinition } from './describe-value.ts';
import { nearest } from './nearest.ts';
import type { AgentConfig, CleoConfig, KernelTimeouts } from './types.ts';

/** Where a configuration came from, for errors. */
export interface ConfigOrigin {
  /** The file as a person would name it from where they stand: `cleo.config.ts`. */
  label: string;
  /** Its absolute path; absent for a configuration given in code. */
  file?: string;
  /** What precedes each path: `cleo` inside a `package.json`. */
  prefix?: string;
}

/** A configuration of the right shape: names are not resolved yet, an agent given by id has become an object. */
export type ParsedConfig = Omit<CleoConfig, 'agent'> & { agent?: AgentConfig; oldNames?: readonly OldName[] };

/** Checks the whole configuration; throws `E_CONFIG_INVALID` with one line per fault: `cleo.config.ts: plugins[2]: …`. */
export function parseConfig(value: unknown, origin: ConfigOrigin): ParsedConfig {
  const { value: given, old, twice } = withNewNames(value, RENAMED_OPTIONS);
  const clashes = twice.map((one) => ({ path: one.from, message: givenTwice(one) }));
  if (clashes.length > 0) throw invalidConfig(origin, clashes);
  const result = configSchema.safeParse(given);
  if (result.success) return old.length > 0 ? { ...result.data, oldNames: old } : result.data;
  throw invalidConfig(origin, result.error.issues.flatMap(faults));
}

interface Fault {
  /** Where: `plugins[2]`; empty for the whole. */
  path: string;
  message: string;
}

function invalidConfig(origin: ConfigOrigin, found: readonly Fault[]): KernelError {
  const issues = found.map(({ path, message }) => ({ path: joinPath(origin.prefix, path), message }));
  const lines = issues.map(({ path, message }) => [origin.label, path, message].filter(Boolean).join(': '));
  return new KernelError('E_CONFIG_INVALID', lines.join('\n'), {
    hint: 'Correct the configuration; the guide of the Cleo runtime, docs/configuration.md, lists every option.',
    details: { file: origin.file, path: issues[0]!.path, issues },
  });
}

/** One path after another, where either may be empty: `cleo` and `plugins[2]` are `cleo.plugins[2]`. */
export function joinPath(...parts: readonly (string | undefined)[]): string {
  return parts.filter(Boolean).join('.');
}

/** The longest a timer can wait; a longer one would fire at once. */
const MAX_MS = 2 ** 31 - 1;
const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const satisfies LogLevel[];

/** One entry for each key of `T`: an option that is added to the type cannot be forgotten here. */
type Shape<T> = Record<keyof T, z.ZodType>;

const milliseconds = wholeNumber(1, MAX_MS, 'a whole number of milliseconds');

const agentSchema = z.preprocess(
  (value) => (typeof value === 'string' ? { id: value } : value),
  section('an agent id, or an object with its id', {
    id: check<string>(
      'an agent id: 1 to 64 letters, digits, ".", "_", "+" or "-", beginning with a letter or digit',
      (value) => agentIdSchema.safeParse(value).success,
    ),
    apiKey: check<string>(
      'a key: printable characters without spaces',
      (value) => typeof value === 'string' && /^[\x21-\x7e]+$/.test(value),
    ).optional(),
    apiBaseUrl: check<string>(
      'an http(s) URL without user name or password, or "local:"',
      isBaseUrl,
    ).optional(),
  }),
);

const inboxSchema = section('an object of inbox options', {
  concurrency: wholeNumber(1, 10_000).optional(),
  capacity: wholeNumber(1, 1_000_000).optional(),
  capacityBytes: wholeNumber(1, Number.MAX_SAFE_INTEGER).optional(),
  laneCapacity: wholeNumber(1, 1_000_000).optional(),
  maxAttempts: wholeNumber(1, 1_000).optional(),
  retryBaseMs: milliseconds.optional(),
  retryMaxMs: milliseconds.optional(),
  maxHops: wholeNumber(0, 10_000).optional(),
  maxRepliesPerMinute: wholeNumber(0, 1_000_000).optional(),
} satisfies Shape<InboxOptions>).superRefine((options, context) => {
  const { retryBaseMs, retryMaxMs } = withDefaults(options);
  if (retryBaseMs <= retryMaxMs) return;
  context.addIssue({
    code: 'custom',
    path: [options.retryMaxMs === undefined ? 'retryBaseMs' : 'retryMaxMs'],
    message: `expected retryBaseMs (${retryBaseMs}) to be at most retryMaxMs (${retryMaxMs})`,
  });
});

const timeoutsSchema = section('an object of deadlines', {
  initMs: milliseconds.optional(),
  startMs: milliseconds.optional(),
  messageMs: milliseconds.optional(),
  drainMs: milliseconds.optional(),
  stopMs: milliseconds.optional(),
} satisfies Shape<KernelTimeouts>);

export const configSchema = section('a configuration object', {
  agent: agentSchema.optional(),
  transport: check<NonNullable<CleoConfig['transport']>>(
    'a transport, its plugin, a name or [name, options]',
    (value) => isPlugin(value) || isTransport(value) || isName(value),
  ).optional(),
  plugins: z
    .array(
      check<NonNullable<CleoConfig['plugins']>[number]>(
        'a plugin, a name or [name, options]',
        (value) =>
          isPlugin(value) || isName(value) || value === false || value === null || value === undefined,
      ),
      { error: (issue) => expected('a list of plugins', issue.input) },
    )
    .optional(),
  inbox: inboxSchema.optional(),
  timeouts: timeoutsSchema.optional(),
  logLevel: z.enum(LOG_LEVELS, { error: (issue) => unknownLevel(issue.input) }).optional(),
});

/** Whether a value has what every transport has: a name, `connect`, `disconnect`, `push`, `poll` and `ack`. */
export function isTransport(value: unknown): value is Transport {
  if (typeof value !== 'object' || value === null) return false;
  const transport = value as Record<string, unknown>;
  return (
    typeof transport.name === 'string' &&
    ['connect', 'disconnect', 'push', 'poll', 'ack'].every(
      (method) => typeof transport[method] === 'function',
    )
  );
}

function isName(value: unknown): boolean {
  const name = Array.isArray(value) ? value[0] : value;
  return typeof name === 'string' && name.trim() !== '' && (!Array.isArray(value) || value.length <= 2);
}

function isBaseUrl(value: unknown): boolean {
  if (value === 'local:') return true;
  const url = typeof value === 'string' ? URL.parse(value) : null;
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
}

/** An object in which every key is known. */
function section<S extends z.ZodRawShape>(what: string, shape: S) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? // Several keys make one issue; `faults` splits them again.
          issue.keys.map((key) => unknownKey(key, Object.keys(shape))).join('\n')
        : expected(what, issue.input),
  });
}

function wholeNumber(min: number, max: number, what = 'a whole number') {
  return check<number>(
    `${what} from ${min} to ${max}`,
    (value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
  );
}

function check<T>(what: string, passes: (value: unknown) => boolean) {
  return z.custom<T>(passes, { error: (issue) => expected(what, issue.input) });
}

function expected(what: string, got: unknown): string {
  const cure = isPluginFactory(got)
    ? '; call it: plugin(options)'
    : isDefinition(got)
      ? '; make it one: definePlugin(definition)()'
      : '';
  return `expected ${what}, got ${describeValue(got)}${cure}`;
}

function unknownKey(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  return near ? `unknown key, did you mean "${near}"?` : `unknown key, expected one of ${known.join(', ')}`;
}

function unknownLevel(level: unknown): string {
  const near = typeof level === 'string' ? nearest(level, LOG_LEVELS) : undefined;
  const message = `expected one of ${LOG_LEVELS.join(', ')}, got ${describeValue(level)}`;
  return near ? `${message}; did you mean "${near}"?` : message;
}

function faults(issue: z.core.$ZodIssue): Fault[] {
  const path = pathText(issue.path);
  if (issue.code !== 'unrecognized_keys') return [{ path, message: issue.message }];
  const messages = issue.message.split('\n');
  return issue.keys.map((key, index) => ({ path: path ? `${path}.${key}` : key, message: messages[index]! }));
}

function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${String(key)}`))
    .join('');
}
