import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { keyIssuerOf } from '@cleocode/contracts';
import { openStore } from '@cleocode/store';
import { HttpTransport } from '@cleocode/transport-http';
import { expect, it, onTestFinished } from 'vitest';
import { type TestWorld, testWorld } from './harness.test.kit.ts';

const POINTS = [
  'the intent is stored',
  'the backend has made the key',
  'the key is stored',
  'the key is verified',
  'the key is in use',
];

/** A process that rotates, killed with -9 when it reaches the point. */
async function killedAt(point: string, { dir, dataDir }: TestWorld): Promise<void> {
  const program = fileURLToPath(new URL('./crash.test.program.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', program, dir, dataDir, point],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  expect(value).toBe(point);
  child.kill('SIGKILL');
  await ended;
}

it.each(POINTS)(
  'an agent that is killed when %s authenticates, and its next rotation succeeds',
  async (point) => {
    const world = await testWorld();
    for (let kills = 0; kills < 2; kills += 1) await killedAt(point, world);
    expect(world.liveKeys()).toBeLessThanOrEqual(2);
    const { registry, close } = await openStore(world);
    onTestFinished(close);
    const { apiKey } = (await registry.get('bob'))!;
    await world.dock.authenticate('bob', apiKey);
    const transport = new HttpTransport();
    onTestFinished(() => transport.disconnect());
    await transport.connect({ agentId: 'bob', apiBaseUrl: world.url, apiKey });
    const { newApiKey } = await registry.rotateKey('bob', { issuer: keyIssuerOf(transport)! });
    await world.dock.authenticate('bob', newApiKey);
    expect((await registry.get('bob'))?.apiKey === newApiKey).toBe(true);
    expect(world.liveKeys()).toBeLessThanOrEqual(2);
  },
  60_000,
);
