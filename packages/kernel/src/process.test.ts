import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';

/** How each scenario ends where it does not simply end well. */
const SCENARIOS: [name: string, end?: { error?: string; ok?: boolean }][] = [
  ['a busy run'],
  ['a retry that waits'],
  ['a handler that never settles'],
  ['acks that are never answered'],
  ['acks that fail'],
  ['a journal that never answers'],
  ['a journal that fails'],
  ['a task that fails again and again'],
  ['handlers that fail in every way'],
  ['a setup that returns a promise', { error: 'E_PLUGIN_INVALID' }],
  ['a setup that throws', { error: 'E_PLUGIN_FAILED' }],
  ['an init that rejects', { error: 'E_PLUGIN_FAILED' }],
  ['an init that hangs and rejects late', { error: 'E_PLUGIN_TIMEOUT' }],
  ['a start that hangs', { error: 'E_PLUGIN_TIMEOUT' }],
  ['a connection that never comes', { error: 'E_PLUGIN_TIMEOUT', ok: false }],
  ['everything that fails or hangs in stop', { ok: false }],
  ['a stop while starting', { error: 'E_KERNEL_STATE' }],
];

let run: SpawnSyncReturns<string>;
let outcomes: Map<string, unknown>;

beforeAll(() => {
  const program = fileURLToPath(new URL('./process.test.program.ts', import.meta.url));
  // Node 22 warns of the types it strips.
  run = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', program], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  outcomes = new Map(
    run.stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line)),
  );
}, 40_000);

it.each(SCENARIOS)('%s leaves nothing behind that keeps the process alive', (name, end = {}) => {
  const { error, ok = true } = end;
  expect(outcomes.get(name)).toEqual({ state: 'stopped', ok, ...(error && { error }), left: [] });
});

it('then the process ends by itself, and no rejection was left unhandled', () => {
  const { status, signal, stderr } = run;
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  expect([...outcomes.keys()]).toEqual(SCENARIOS.map(([name]) => name));
});
