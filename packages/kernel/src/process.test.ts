import { execFile, execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const program = fileURLToPath(new URL('./process.test.program.ts', import.meta.url));
const scenarios: string[] = JSON.parse(execFileSync(process.execPath, [program], { encoding: 'utf8' }));

/** How each scenario ends where it does not simply end well. */
const ENDS: Record<string, { error?: string; ok?: boolean }> = {
  'a setup that returns a promise': { error: 'E_PLUGIN_INVALID' },
  'a setup that throws': { error: 'E_PLUGIN_FAILED' },
  'an init that rejects': { error: 'E_PLUGIN_FAILED' },
  'an init that hangs and rejects late': { error: 'E_PLUGIN_TIMEOUT' },
  'a start that hangs': { error: 'E_PLUGIN_TIMEOUT' },
  'a connection that never comes': { error: 'E_PLUGIN_TIMEOUT', ok: false },
  'everything that fails or hangs in stop': { ok: false },
  'a stop while starting': { error: 'E_KERNEL_STATE' },
};

it('knows every scenario that ends in its own way', () => {
  expect(Object.keys(ENDS).filter((name) => !scenarios.includes(name))).toEqual([]);
});

it.concurrent.for(scenarios)(
  '%s leaves nothing that keeps the process alive, and no rejection unhandled',
  async (name, { expect }) => {
    const { stdout, stderr } = await run(name);
    const { error, ok = true } = ENDS[name] ?? {};
    expect(JSON.parse(stdout)).toEqual({ state: 'stopped', ok, ...(error && { error }), left: [] });
    expect(stderr).toBe('');
  },
);

/** Rejects when the process does not exit by itself with 0: an unhandled rejection exits with 1, a leak never does. */
function run(name: string): Promise<{ stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program, name], { timeout: 8_000 }, (error, stdout, stderr) =>
      error ? reject(error) : resolve({ stdout, stderr }),
    );
  });
}
