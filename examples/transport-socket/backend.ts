import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConformanceHarness, conformanceHarness, FaultProxy } from '@cleocode/contracts/testing';
import { Broker } from './broker.ts';
import { SocketTransport } from './transport.ts';

/** An empty broker behind a bad network, for the conformance table. */
export async function brokerBehindProxy(skip: (reason: string) => void): Promise<ConformanceHarness> {
  const folder = mkdtempSync(join(tmpdir(), 'broker-'));
  const file = join(folder, 'broker.log');
  const start = async () => {
    broker = new Broker(file);
    return `tcp://${await broker.listen('127.0.0.1:0')}`;
  };
  let broker: Broker;
  const proxy = await FaultProxy.start({ target: await start() });
  return conformanceHarness({
    ...common(() => broker, `127.0.0.1:${proxy.port}`),
    skip,
    async restart() {
      await proxy.down();
      await broker.close();
      proxy.retarget(await start());
      await proxy.heal();
    },
    async silence() {
      proxy.blackHole();
      return () => proxy.heal();
    },
    async close() {
      await proxy.close();
      await broker.close();
      rmSync(folder, { recursive: true });
    },
  });
}

/** An empty broker on a Unix socket. */
export async function brokerOnPath(skip: (reason: string) => void): Promise<ConformanceHarness> {
  const folder = mkdtempSync(join(tmpdir(), 'broker-'));
  const [file, path] = [join(folder, 'broker.log'), join(folder, 's')];
  let broker = new Broker(file);
  await broker.listen(path);
  return conformanceHarness({
    ...common(() => broker, path),
    skip,
    async restart() {
      await broker.close();
      broker = new Broker(file);
      await broker.listen(path);
    },
    async close() {
      await broker.close();
      rmSync(folder, { recursive: true });
    },
  });
}

function common(broker: () => Broker, address: string) {
  return {
    transport: () => new SocketTransport({ address, onError: () => {} }), // some subscribers of the table throw
    async register(agentId: string) {
      const apiKey = `key-of-${agentId}`;
      broker().hello(agentId, apiKey);
      return { apiKey, apiBaseUrl: 'local:' };
    },
    group: async (agentIds: readonly string[]) => broker().group(agentIds),
  };
}
