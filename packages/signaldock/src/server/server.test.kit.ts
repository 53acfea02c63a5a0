import type { InjectOptions } from 'fastify';
import { onTestFinished } from 'vitest';
import { testDock } from '../dock.test.kit.ts';
import type { Dock, DockOptions } from '../dock.ts';
import { type AssemblyOptions, assemble } from './assemble.ts';
import { type ServeOptions, type SignalDockServer, serve } from './serve.ts';

const UNLIMITED = { rateLimit: { max: 0 } };

/** A body of this server, as loosely as a client reads it. */
// biome-ignore lint/suspicious/noExplicitAny: an answer is whatever the test expects of it.
type Body = any;

export interface TestServer {
  dock: Dock;
  app: Awaited<ReturnType<typeof assemble>>['app'];
  assembly: Awaited<ReturnType<typeof assemble>>;
  /** The headers of an agent: its key and its id. */
  as(agentId: string): Record<string, string>;
  /** Asks without a socket. `as` names the agent that asks. */
  ask(request: string, options?: AskOptions): Promise<Answer>;
}

export interface AskOptions {
  as?: string;
  body?: unknown;
  headers?: Record<string, string>;
}

interface Answer {
  status: number;
  headers: Record<string, string | string[] | number | undefined>;
  body: Body;
}

export interface TestOptions {
  agents?: readonly string[];
  server?: Partial<AssemblyOptions>;
  dock?: Partial<DockOptions>;
}

/** A server that does not listen, on a new dock with these agents; closed after the test. */
export async function testServer({
  agents = [],
  server,
  dock: dockOptions,
}: TestOptions = {}): Promise<TestServer> {
  const dock = await testDock([], dockOptions);
  const as = await register(dock, agents);
  const assembly = await assemble({ dock, ...UNLIMITED, ...server });
  const { app, streams } = assembly;
  onTestFinished(async () => {
    await streams.close();
    await app.close();
  });
  return {
    dock,
    app,
    assembly,
    as,
    async ask(request, { as: agentId, body, headers = {} } = {}) {
      const [method, url] = request.split(' ');
      const answer = await app.inject({
        method: method as InjectOptions['method'] & string,
        url: url!,
        headers: { ...(agentId && as(agentId)), ...headers },
        ...(body !== undefined && { payload: body as object }),
      });
      return {
        status: answer.statusCode,
        headers: answer.headers,
        body: answer.body ? answer.json() : undefined,
      };
    },
  };
}

/** A server on loopback, on a new dock with these agents; closed after the test. */
export async function listeningServer(
  options: TestOptions & { serve?: Partial<ServeOptions> } = {},
): Promise<{
  dock: Dock;
  server: SignalDockServer;
  port: number;
  as: TestServer['as'];
}> {
  const dock = await testDock([], options.dock);
  const as = await register(dock, options.agents ?? []);
  const server = await serve({ dock, port: 0, ...UNLIMITED, ...options.serve });
  onTestFinished(() => server.close());
  return { dock, server, as, port: Number(new URL(server.url).port) };
}

async function register(dock: Dock, agentIds: readonly string[]): Promise<TestServer['as']> {
  const keys = new Map<string, string>();
  for (const agentId of agentIds) keys.set(agentId, (await dock.registerAgent({ agentId })).apiKey);
  return (agentId) => ({ authorization: `Bearer ${keys.get(agentId)}`, 'x-agent-id': agentId });
}
