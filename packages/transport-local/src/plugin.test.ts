import { services } from '@cleocode/contracts';
import { createKernel, createLogger, definePlugin, type LogRecord } from '@cleocode/kernel';
import { describe, expect, it, vi } from 'vitest';
import { testDock } from './harness.test.kit.ts';
import localTransport from './index.ts';

const records: LogRecord[] = [];
const logger = createLogger('debug', (record) => records.push(record));

describe('localTransport', () => {
  it('gives the kernel a transport, connected before other plugins open and closed after they ended', async () => {
    const { dock, file } = await testDock(['alice', 'bob']);
    const steps: string[] = [];
    const probe = definePlugin({
      name: 'probe',
      version: '1.0.0',
      apiVersion: 1,
      requires: { transport: services.transport },
      setup(ctx, _options, { transport }) {
        ctx.on('init', async () => {
          transport.subscribe!(({ content }) => steps.push(`heard ${content}`));
          steps.push(`init sees ${(await transport.poll()).length}`);
        });
        ctx.on('stop', async () => {
          steps.push(`stop sees ${(await transport.poll()).length}`);
        });
      },
    });
    await dock.send('alice', 'bob', { content: '1' });
    const kernel = createKernel({ agent: 'bob', plugins: [probe(), localTransport({ file })], logger });
    await kernel.start();
    await dock.send('alice', 'bob', { content: '2' });
    const report = await kernel.stop();
    expect(steps).toEqual(['init sees 1', 'heard 2', 'stop sees 2']);
    expect(report.ok).toBe(true);
    await dock.send('alice', 'bob', { content: '3' });
    expect(steps).toHaveLength(3);
  });

  it('fails the start, naming the agent and the command, when the agent is not registered', async () => {
    const { file } = await testDock([]);
    const kernel = createKernel({ agent: 'bob', plugins: [localTransport({ file })], logger });
    await expect(kernel.start()).rejects.toMatchObject({
      code: 'E_PLUGIN_FAILED',
      plugin: '@cleocode/transport-local',
      phase: 'init',
      cause: { code: 'E_NOT_FOUND_AGENT', hint: 'Register it first: cleo agent register bob' },
    });
  });

  it('finds the file in the folder it is given', async () => {
    const { dir } = await testDock(['bob']);
    const kernel = createKernel({ agent: 'bob', plugins: [localTransport({ dir })], logger });
    await kernel.start();
    expect((await kernel.stop()).ok).toBe(true);
  });

  it('names a misspelt option', async () => {
    const kernel = createKernel({ agent: 'bob', plugins: [localTransport({ fiel: 'x' } as never)], logger });
    await expect(kernel.start()).rejects.toMatchObject({
      code: 'E_PLUGIN_OPTIONS',
      message: expect.stringContaining('plugins[0] (@cleocode/transport-local): Unrecognized key: "fiel"'),
    });
  });

  it('logs what a subscriber throws', async () => {
    const { dock, file } = await testDock(['alice', 'bob']);
    const deaf = definePlugin({
      name: 'deaf',
      version: '1.0.0',
      apiVersion: 1,
      requires: { transport: services.transport },
      setup(ctx, _options, { transport }) {
        ctx.on('start', () => {
          transport.subscribe!(() => {
            throw new Error('cannot hear');
          });
        });
      },
    });
    const kernel = createKernel({ agent: 'bob', plugins: [localTransport({ file }), deaf()], logger });
    await kernel.start();
    await dock.send('alice', 'bob', { content: 'x' });
    await vi.waitFor(() =>
      expect(records).toContainEqual(
        expect.objectContaining({ level: 'error', message: expect.stringContaining('cannot hear') }),
      ),
    );
    await kernel.stop();
  });
});
