import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConformanceHarness, conformanceHarness, FaultProxy } from '@cleocode/contracts/testing';
import { type Dock, openDock } from '@cleocode/signaldock';
import { type ServeOptions, type SignalDockServer, serve } from '@cleocode/signaldock/server';
import { HttpTransport } from '@cleocode/transport-http';
import { onTestFinished } from 'vitest';
import { SseTransport } from './sse-transport.ts';

export interface TestServer {
  dock: Dock;
  url: string;
  /** The keys of the agents that were asked for. */
  keys: Record<string, string>;
  /** Ends the server and starts it again on the same port. */
  restart(): Promise<void>;
}

/** A real server over a dock in a new folder with these agents; closed after the test. No rate limit unless told. */
export async function testServer(
  agentIds: string[] = [],
  options: Partial<Omit<ServeOptions, 'dock'>> = {},
): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), 'plugin-sse-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const dock = await openDock({ file: join(folder, 'signaldock.db') });
  onTestFinished(() => dock.close());
  const begin = (port: number) => serve({ dock, port, rateLimit: { max: 0 }, drainMs: 100, ...options });
  let server: SignalDockServer = await begin(0);
  onTestFinished(() => server.close());
  const { url } = server;
  const keys: Record<string, string> = {};
  for (const agentId of agentIds) keys[agentId] = (await dock.registerAgent({ agentId })).apiKey;
  return {
    dock,
    url,
    keys,
    async restart() {
      await server.close();
      server = await begin(Number(new URL(url).port));
    },
  };
}

/** The harness of the conformance table, over a real server that can be restarted and silenced. */
export async function sseHarness(skip: (reason: string) => void): Promise<ConformanceHarness> {
  const { dock, url, restart } = await testServer();
  const proxy = await FaultProxy.start({ target: url });
  return conformanceHarness({
    // A thousand sends at once take their time on a busy machine.
    transport: () =>
      new SseTransport({
        inner: new HttpTransport({ timeoutMs: 60_000 }),
        pollIntervalMs: 500,
        onError: () => {},
      }),
    async register(agentId) {
      const { apiKey } = await dock.registerAgent({ agentId });
      return { apiKey, apiBaseUrl: proxy.url() };
    },
    async group([first, ...participants]) {
      return (await dock.createConversation(first!, { participants, visibility: 'shared' })).id;
    },
    restart,
    async silence() {
      proxy.blackHole();
      return () => proxy.heal();
    },
    skip,
    close: () => proxy.close(),
  });
}
