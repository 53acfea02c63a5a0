import { deepEqual, equal, match } from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { resolveEndpoint } from '@cleocode/contracts';
import { POLL } from '../lib/over-http.ts';
import type { Scenario } from '../lib/scenario.ts';
import { CLEO, until, type Workbench } from '../lib/workbench.ts';

const CONFIG = join(import.meta.dirname, '../fixtures/exchange.config.ts');
/** The one line of the program that says which backend it runs on. */
const HTTP_LINE = 'transport: httpTransport(),';

/** Two agents, two processes, two state folders: each sends so many messages while it takes the other's. */
async function exchange(bench: Workbench, config: string, each: number): Promise<void> {
  const agents = ['ada', 'bob'].map((id) => {
    const stateDir = join(bench.folder, id, '.cleo');
    const ledger = join(bench.folder, `${id}.received`);
    const peer = id === 'ada' ? 'bob' : 'ada';
    const env = { CLEO_DIR: stateDir, EXCHANGE_LEDGER: ledger, EXCHANGE_PEER: peer, EXCHANGE_COUNT: each };
    return { id, ledger, env };
  });
  const { url } = await bench.gateway();
  for (const { id, env } of agents) {
    const registered = bench.spawn([CLEO, 'agent', 'register', id, '--api-url', url, '--json'], env);
    equal((await registered.exit).code, 0, registered.output);
  }
  const started = agents.map(({ id, env }) =>
    bench.spawn([CLEO, 'agent', 'start', id, '--config', config, '--json', '--poll-interval', '50'], env),
  );
  for (const agent of started) await agent.ready();
  const received = (ledger: string) =>
    existsSync(ledger) ? readFileSync(ledger, 'utf8').split('\n').filter(Boolean) : [];
  for (const { ledger } of agents)
    await until('all received', () => received(ledger).length >= each, 300_000);
  const unread = async (id: string) => (await (await bench.dock()).peek(id)).length;
  for (const { id } of agents) await until('all acked', async () => (await unread(id)) === 0);
  for (const agent of started) equal((await agent.stop()).code, 0);
  const sent = Array.from({ length: each }, (_, n) => `${n}`);
  for (const { id, ledger } of agents) deepEqual(received(ledger), sent, `what ${id} got`);
}

const overHttp: Scenario = {
  name: 'given two agents in two processes with two state folders, when they exchange 10,000 messages, then nothing is lost, repeated or reordered',
  backends: ['http'],
  limitMs: 320_000,
  alone: true,
  async run(bench) {
    await bench.server();
    await exchange(bench, CONFIG, 5_000);
  },
};

const byStream: Scenario = {
  name: 'given the same program with a stream of its own, then nothing is lost, repeated or reordered, and the stream brings it',
  backends: ['http'],
  limitMs: 320_000,
  alone: true,
  async run(bench) {
    await bench.server();
    const program = readFileSync(CONFIG, 'utf8')
      .replace('plugins: [', 'plugins: [sse(), ')
      .replace(
        'import { httpTransport }',
        "import { sse } from '@cleocode/plugin-sse';\nimport { httpTransport }",
      );
    const config = bench.write(
      join(import.meta.dirname, `../../.tmp/stream-${process.pid}.config.ts`),
      program,
    );
    await exchange(bench, config, bench.full ? 5_000 : 1_000);
    const gateway = await bench.gateway();
    equal(gateway.streams.length, 2, 'one for each, from beginning to end');
    bench.measured(`${gateway.count(({ path }) => path === POLL)} polls`);
  },
};

const oneLine: Scenario = {
  name: 'given the same program with one line of its configuration changed, then it runs on the embedded backend as well',
  backends: ['http'],
  limitMs: 320_000,
  alone: true,
  async run(bench) {
    await bench.server();
    const program = readFileSync(CONFIG, 'utf8');
    equal(program.split(HTTP_LINE).length, 2);
    const embedded = program
      .replace(HTTP_LINE, `transport: localTransport({ file: ${JSON.stringify(bench.dockFile)} }),`)
      .replace("'@cleocode/transport-http'", "'@cleocode/transport-local'")
      .replace('{ httpTransport }', '{ localTransport }');
    // Beside the original, where the packages it imports are found.
    const config = join(import.meta.dirname, `../../.tmp/exchange-${process.pid}.config.ts`);
    bench.write(config, embedded);
    await exchange(bench, config, bench.full ? 5_000 : 1_000);
    const { seen } = await bench.gateway();
    deepEqual(
      new Set(seen.map(({ path }) => path)),
      new Set(['/agents']),
      'the network was only used to register',
    );
  },
};

const connectionKit: Scenario = {
  name: 'given the relative stream address of a connection kit, then it is resolved against the address of the API, behind a proxy too',
  backends: ['http'],
  async run(bench) {
    await bench.register('prime', []);
    const { url } = await bench.gateway();
    const { apiKey } = await (await bench.dock()).registerAgent({ agentId: 'watcher' });
    bench.keys.push(apiKey);
    const headers = { authorization: `Bearer ${apiKey}`, 'x-agent-id': 'watcher' };
    const answer = await fetch(`${url}/agents/watcher/connection-kit`, { headers });
    const { data } = (await answer.json()) as { data: { connectionKit: { sseEndpoint: string } } };
    match(data.connectionKit.sseEndpoint, /^\//);
    const stream = await fetch(resolveEndpoint(url, data.connectionKit.sseEndpoint), {
      headers: { ...headers, accept: 'text/event-stream' },
      signal: AbortSignal.timeout(20_000),
    });
    equal(stream.status, 200);
    const frames = stream.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const heard = async (pattern: RegExp) => {
      while (!pattern.test(text)) text += (await frames.read()).value ?? '';
    };
    await heard(/event: connected/);
    const prime = await bench.client('sender');
    const { messageId } = await prime.push('watcher', 'hello');
    await heard(new RegExp(`id: ${messageId}`));
    await frames.cancel();
  },
};

export default [overHttp, byStream, oneLine, connectionKit];
