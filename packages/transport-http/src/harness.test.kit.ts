import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConformanceHarness, conformanceHarness, FaultProxy } from '@cleocode/contracts/testing';
import { type Dock, openDock } from '@cleocode/signaldock';
import { type ServeOptions, serve } from '@cleocode/signaldock/server';
import { onTestFinished } from 'vitest';
import { HttpTransport, type HttpTransportOptions } from './http-transport.ts';

export interface TestServer {
  dock: Dock;
  url: string;
  /** The keys of the agents that were asked for. */
  keys: Record<string, string>;
}

/** A real server over a dock in a new folder with these agents; closed after the test. No rate limit unless told. */
export async function testServer(
  agentIds: string[] = [],
  options: Partial<Omit<ServeOptions, 'dock'>> = {},
): Promise<TestServer> {
  const { dock, server } = await startServer(join(testFolder(), 'signaldock.db'), options);
  onTestFinished(async () => {
    await server.close();
    await dock.close();
  });
  const keys: Record<string, string> = {};
  for (const agentId of agentIds) keys[agentId] = (await dock.registerAgent({ agentId })).apiKey;
  return { dock, url: server.url, keys };
}

/** A transport connected to `url`, disconnected after the test. */
export async function connected(
  url: string,
  {
    agentId = 'alice',
    apiKey = 'sk_test_key',
    ...options
  }: HttpTransportOptions & { agentId?: string; apiKey?: string } = {},
): Promise<HttpTransport> {
  const transport = new HttpTransport(options);
  onTestFinished(() => transport.disconnect());
  await transport.connect({ agentId, apiKey, apiBaseUrl: url });
  return transport;
}

/** The harness of the conformance table: a real server, behind a proxy that stays where it is when the server restarts. */
export async function httpHarness(skip: (reason: string) => void): Promise<ConformanceHarness> {
  const file = join(testFolder(), 'signaldock.db');
  let { dock, server } = await startServer(file);
  const proxy = await FaultProxy.start({ target: server.url });
  const end = async () => {
    await server.close();
    await dock.close();
  };
  return conformanceHarness({
    // A thousand sends at once take their time on a busy machine.
    transport: () => new HttpTransport({ timeoutMs: 60_000 }),
    async register(agentId) {
      const { apiKey } = await dock.registerAgent({ agentId });
      return { apiKey, apiBaseUrl: proxy.url() };
    },
    async group([first, ...participants]) {
      return (await dock.createConversation(first!, { participants, visibility: 'shared' })).id;
    },
    async restart() {
      await end();
      ({ dock, server } = await startServer(file));
      proxy.retarget(server.url);
    },
    async silence() {
      proxy.blackHole();
      return () => proxy.heal();
    },
    skip,
    async close() {
      await proxy.close();
      await end();
    },
  });
}

async function startServer(file: string, options: Partial<Omit<ServeOptions, 'dock'>> = {}) {
  const dock = await openDock({ file });
  return { dock, server: await serve({ dock, port: 0, rateLimit: { max: 0 }, drainMs: 1_000, ...options }) };
}

function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'transport-http-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
