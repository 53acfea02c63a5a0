import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transportConformance } from '@cleocode/contracts/testing';
import { createKernel, definePlugin } from '@cleocode/kernel';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { brokerBehindProxy } from './backend.ts';
import { Broker } from './broker.ts';
import socketTransport, { SocketTransport } from './index.ts';

describe('SocketTransport conforms', () => {
  it.for(transportConformance())('$name', { timeout: 60_000 }, async ({ run }, { skip }) => {
    const harness = await brokerBehindProxy(skip);
    try {
      await run(harness);
    } finally {
      await harness.close();
    }
  });
});

describe('SocketTransport', () => {
  it('carries the messages of an agent over a Unix socket', async () => {
    const { address } = await brokerOnSocket();
    const answered: string[] = [];
    const kernel = createKernel({
      agent: { id: 'bot', apiKey: 'key-of-bot' },
      transport: socketTransport({ address }),
      plugins: [echo()],
    });
    onTestFinished(async () => void (await kernel.stop()));
    await kernel.start();
    const alice = await connected(address, 'alice');
    alice.subscribe(({ content }) => answered.push(content));
    await kernel.dispatch({ id: 'm1', from: 'alice', content: 'hello', timestamp: '2026-01-01T00:00:00Z' });
    await vi.waitFor(() => expect(answered).toEqual(['hello to you']), 10_000);
  });

  it('keeps an agent to the key it first came with', async () => {
    const { address } = await brokerOnSocket();
    await connected(address, 'alice', 'one key');
    await expect(connected(address, 'alice', 'another')).rejects.toMatchObject({
      code: 'E_AUTH_INVALID_TOKEN',
      message: 'the key is not the one of "alice"',
    });
  });

  it('says that nobody is there, and where it looked', async () => {
    const address = join(testFolder(), 'nobody.sock');
    await expect(connected(address, 'alice')).rejects.toMatchObject({
      code: 'E_TRANSPORT_UNREACHABLE',
      message: `socket: no connection to the broker at ${address}`,
      retryable: true,
      cause: { code: 'ENOENT' },
    });
  });

  it('hears what came while the broker could not be reached, and nothing twice', async () => {
    const { address, file, broker } = await brokerOnSocket();
    const bob = await connected(address, 'bob');
    await (await connected(address, 'alice')).push('bob', 'before');
    const heard: string[] = [];
    bob.subscribe(({ content }) => heard.push(content));
    await (await connected(address, 'alice')).push('bob', '1');
    await vi.waitFor(() => expect(heard).toEqual(['1']), 10_000);
    await broker.close();
    const elsewhere = await brokerOnSocket(file);
    await (await connected(elsewhere.address, 'alice')).push('bob', '2');
    await elsewhere.broker.close();
    const next = new Broker(file);
    onTestFinished(() => next.close());
    await next.listen(address);
    await vi.waitFor(() => expect(heard).toEqual(['1', '2']), 10_000);
  });

  it('hears on when one subscription follows another at once', async () => {
    const { address } = await brokerOnSocket();
    const [alice, bob] = [await connected(address, 'alice'), await connected(address, 'bob')];
    bob.subscribe(() => {})();
    const heard: string[] = [];
    bob.subscribe(({ content }) => heard.push(content));
    await bob.poll();
    await alice.push('bob', 'hello');
    await vi.waitFor(() => expect(heard).toEqual(['hello']), 10_000);
  });
});

describe.skipIf(process.platform === 'win32')('Broker', () => {
  it('begins again where one was killed, even in the middle of a line', async () => {
    const { address, file, broker } = await brokerOnSocket();
    const alice = await connected(address, 'alice');
    await connected(address, 'bob');
    await alice.push('bob', 'kept');
    await broker.close();
    appendFileSync(file, '{"is":"ack","agen');
    const next = new Broker(file);
    onTestFinished(() => next.close());
    await next.listen(address);
    expect((await (await connected(address, 'bob')).poll()).map(({ content }) => content)).toEqual(['kept']);
  });
});

const echo = definePlugin({
  name: 'echo',
  version: '1.0.0',
  apiVersion: 1,
  setup(ctx) {
    ctx.on('message', async ({ message, reply }) => void (await reply(`${message.content} to you`)));
  },
});

async function brokerOnSocket(log?: string): Promise<{ broker: Broker; address: string; file: string }> {
  const folder = testFolder();
  const file = log ?? join(folder, 'broker.log');
  const broker = new Broker(file);
  onTestFinished(() => broker.close().catch(() => {}));
  const path = process.platform === 'win32' ? '127.0.0.1:0' : join(folder, 's');
  return { broker, address: await broker.listen(path), file };
}

async function connected(address: string, agentId: string, apiKey = `key of ${agentId}`) {
  const transport = new SocketTransport({ address });
  onTestFinished(() => transport.disconnect());
  await transport.connect({ agentId, apiKey, apiBaseUrl: 'local:' });
  return transport;
}

function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'socket-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
