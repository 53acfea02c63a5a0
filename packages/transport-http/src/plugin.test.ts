import { services } from '@cleocode/contracts';
import { createKernel, createLogger, definePlugin, type LogRecord } from '@cleocode/kernel';
import { describe, expect, it } from 'vitest';
import { testServer } from './harness.test.kit.ts';
import httpTransport from './index.ts';
import { stub, wireMessage } from './stub.test.kit.ts';

const records: LogRecord[] = [];
const logger = createLogger('debug', (record) => records.push(record));

/** Polls in `init` and in `stop`, and writes down what it got. */
function probe(steps: string[]) {
  return definePlugin({
    name: 'probe',
    version: '1.0.0',
    apiVersion: 1,
    requires: { transport: services.transport },
    setup(ctx, _options, { transport }) {
      for (const hook of ['init', 'stop'] as const)
        ctx.on(hook, async () => {
          steps.push(`${hook} sees ${(await transport.poll()).length}`);
        });
    },
  })();
}

describe('httpTransport', () => {
  it('gives the kernel a transport, connected before other plugins open and closed after they ended', async () => {
    const { dock, url, keys } = await testServer(['alice', 'bob']);
    await dock.send('alice', 'bob', { content: '1' });
    const steps: string[] = [];
    const kernel = createKernel({
      agent: { id: 'bob', apiKey: keys.bob!, apiBaseUrl: url },
      plugins: [probe(steps), httpTransport()],
      logger,
    });
    await kernel.start();
    await dock.send('alice', 'bob', { content: '2' });
    expect((await kernel.stop()).ok).toBe(true);
    expect(steps).toEqual(['init sees 1', 'stop sees 2']);
  });

  it('starts an agent whose server is down', async () => {
    const kernel = createKernel({
      agent: { id: 'bob', apiKey: 'k', apiBaseUrl: 'http://127.0.0.1:9' },
      plugins: [httpTransport()],
      logger,
    });
    await kernel.start();
    expect((await kernel.stop()).ok).toBe(true);
  });

  it('fails the start when the key would cross a network in the clear', async () => {
    const kernel = createKernel({
      agent: { id: 'bob', apiKey: 'k', apiBaseUrl: 'http://192.0.2.1' },
      plugins: [httpTransport()],
      logger,
    });
    await expect(kernel.start()).rejects.toMatchObject({
      code: 'E_PLUGIN_FAILED',
      plugin: '@cleocode/transport-http',
      phase: 'init',
      cause: { code: 'E_TRANSPORT_INSECURE' },
    });
  });

  it.each([
    [{ timeout: 5 }, 'Unrecognized key: "timeout"'],
    [{ timeoutMs: 0 }, 'timeoutMs'],
    [{ timeoutMs: 2 ** 31 }, 'timeoutMs'],
    [{ ca: '' }, 'ca'],
  ])('names what is wrong with the option %j', async (options, fault) => {
    const kernel = createKernel({ agent: 'bob', plugins: [httpTransport(options as never)], logger });
    await expect(kernel.start()).rejects.toMatchObject({
      code: 'E_PLUGIN_OPTIONS',
      message: expect.stringContaining(fault),
    });
  });

  it('logs a message that cannot even be named', async () => {
    const server = await stub(() => ({ messages: [{ ...wireMessage(1), id: 7 }] }));
    const kernel = createKernel({
      agent: { id: 'bob', apiKey: 'k', apiBaseUrl: server.url },
      plugins: [httpTransport(), probe([])],
      logger,
    });
    await kernel.start();
    expect(records).toContainEqual(
      expect.objectContaining({ level: 'error', message: expect.stringContaining('without an id') }),
    );
    await kernel.stop();
  });
});
