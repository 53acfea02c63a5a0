import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentEvent, AgentProcess } from '../lib/agent-process.ts';
import type { Gateway, Seen } from '../lib/gateway.ts';
import { ROTATION, storedKey } from '../lib/keys.ts';
import { nothingLost, orderKept } from '../lib/ledger.ts';
import { FAST, live } from '../lib/over-http.ts';
import type { Scenario } from '../lib/scenario.ts';
import { CLEO, until, type Workbench } from '../lib/workbench.ts';

const ROTATE = '/agents/prime/rotate-key';

const together: Scenario = {
  name: 'given 100 answers on their way when the key dies and the new one is not here yet, then one new key is asked for, each answer is sent again once, and no handler hears of it',
  backends: ['http'],
  async run(bench) {
    await bench.serve();
    const others = Array.from({ length: 100 }, (_, n) => `other-${n}`);
    await bench.register('prime', others);
    const gateway = await bench.gateway();
    const agent = start(bench, { FAULTS_CONCURRENCY: 128 });
    await live(bench, agent);
    const oldKey = await storedKey(bench, 'prime');
    const [dead, refused] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    gateway.rule = (request) => {
      if (request.path === ROTATE) return { answerAfter: refused.promise };
      return isSend(request) ? { after: dead.promise } : undefined;
    };
    const sent = await bench.send({ from: others, to: 'prime', count: 100, rate: 0, content: '#n' });
    await until('all are being answered', () => bench.ledger.starts().length === 100);
    const sends = () => gateway.seen.filter(isSend);
    await until('as many as may be are on their way', () => sends().length >= 8);
    const before = gateway.seen.length;
    const command = bench.spawn([CLEO, 'agent', 'rotate-key', 'prime', '--overlap', '0', '--json']);
    await until('the key is dead', async () => !(await isTaken(bench, oldKey)));
    dead.resolve();
    const refusals = () => gateway.seen.filter(({ status }) => status === 401);
    await until('they are refused', () => sends().every(({ status }) => status === 401));
    const onTheirWay = sends().length;
    refused.resolve();
    equal((await command.exit).code, 0, command.output);
    await until('all are answered', async () => (await bench.unread('prime')) === 0);
    const events = [...agent.events];
    equal((await agent.stop()).code, 0);

    nothingLost(sent, bench.ledger.handled());
    equal(bench.ledger.starts().length, 100, 'each once');
    for (const id of others) deepEqual(await contentsFor(bench, id), ['re #0'], id);
    noFailure(events);
    equal(states(events).filter((state) => state === 'rotated').length, 1);
    const after = gateway.seen.slice(before);
    equal(after.filter(({ path }) => path === ROTATE).length, 1, 'one new key was asked for');
    equal(sends().length, 100 + onTheirWay, 'what was refused was sent again, once');
    bench.measured(
      `of 100 answers ${onTheirWay} were refused, the others waited for their turn; ${refusals().length} requests were refused in all`,
    );
  },
};

const atOnce: Scenario = {
  name: 'given a command that ends the old key at once while messages are answered, then no handler sees a failure, and nothing is lost or repeated',
  backends: ['http'],
  limitMs: 120_000,
  async run(bench) {
    await bench.serve('--heartbeat', '5');
    await bench.register('prime', ['alice', 'bob']);
    const gateway = await bench.gateway();
    const agent = start(bench);
    await live(bench, agent);
    const from = ['alice', 'bob'];
    const { child, sent } = bench.sender({ from, to: 'prime', count: 100_000, rate: 20, content: '#n' });
    const rotations = bench.full ? 20 : 3;
    for (let n = 0; n < rotations; n += 1) {
      const { code, output } = await bench.cleo('agent', 'rotate-key', 'prime', '--overlap', '0');
      equal(code, 0, output);
      await sleep(500);
    }
    child.signal('SIGTERM');
    await child.exit;
    const isHandled = () => bench.ledger.handled().size >= sent().length;
    await until('all handled', isHandled, 60_000);
    await until('all acked', async () => (await bench.unread('prime')) === 0);
    const events = [...agent.events];
    equal((await agent.stop()).code, 0);
    nothingLost(sent(), bench.ledger.handled());
    equal(bench.ledger.starts().length, bench.ledger.handled().size, 'each once');
    orderKept(bench.ledger.starts());
    noFailure(events);
    const refused = gateway.count(({ status }) => status === 401);
    bench.measured(`${rotations} rotations, ${sent().length} messages; ${refused} requests were refused`);
  },
};

const byOthers: Scenario = {
  name: 'given a key that others replace at the server, at once or with an overlap, then the agent works until the old one ends, says so then, asks seldom, and goes on by itself when a valid key is stored',
  backends: ['http', 'polling'],
  limitMs: 120_000,
  async run(bench) {
    // Whether a stream is still allowed is asked with each heartbeat.
    await bench.serve('--heartbeat', '1');
    await bench.register('prime', ['alice', 'bob']);
    const gateway = await bench.gateway();
    const agent = start(bench);
    await agent.ready();
    const sent: string[] = [];
    const say = async (from: string) => {
      const dock = await bench.dock();
      sent.push((await dock.send(from, 'prime', { content: `#${sent.length}` })).id);
    };
    const allHandled = () => bench.ledger.handled().size === sent.length;
    for (const overlapSeconds of bench.full || bench.backend === 'http' ? [0, 3] : [0]) {
      if (bench.backend === 'http') await live(bench, agent);
      const toldBefore = states(agent.events).length;
      const { apiKey } = await (await bench.dock()).rotateKey('prime', { overlapSeconds });
      bench.keys.push(apiKey);
      const endsAt = performance.now() + overlapSeconds * 1_000;
      while (performance.now() < endsAt - 1_000) {
        await say('alice');
        await until('it is handled as ever', allHandled);
      }
      equal(states(agent.events).length, toldBefore, 'nothing is told while both keys work');
      // The answer to this one is on its way when the old key ends.
      const over = Promise.withResolvers<void>();
      gateway.rule = (request) => (isSend(request) ? { after: over.promise } : undefined);
      if (overlapSeconds > 0) {
        await say('alice');
        await until('it is being answered', () => gateway.seen.filter(isSend).at(-1)?.status === undefined);
      }
      await sleep(Math.max(0, endsAt - performance.now()));
      gateway.rule = () => undefined;
      over.resolve();
      const refused = () =>
        gateway.seen.filter(
          ({ agentId, at, status }) => agentId === 'prime' && at >= endsAt - 1_000 && status === 401,
        );
      await until('a request is refused', () => refused().length > 0);
      const first = performance.now();
      await until('it is told', () => states(agent.events).at(-1) === 'failed');
      bench.within(2_000, first, 'from the first refusal until it is told');
      const { code, lines } = await bench.cleo('agent', 'status', 'prime');
      equal(code, 3);
      match(JSON.stringify(lines.at(-1)!.problems), /"code":"auth_failed"/);
      for (let n = 0; n < 5; n += 1) await say('bob');
      await sleep(bench.full ? 90_000 : bench.backend === 'http' ? 10_500 : 5_000);
      seldom(bench, refused(), overlapSeconds);
      equal(states(agent.events).at(-1), 'failed');
      await storeKey(bench, gateway, apiKey);
      const storedAt = performance.now();
      await until('what came meanwhile is handled', allHandled);
      bench.within(5_000, storedAt, 'from a valid key until all was handled');
      await until('all acked', async () => (await bench.unread('prime')) === 0, 60_000);
      deepEqual(states(agent.events).slice(toldBefore), ['failed', 'rotated', 'ok']);
    }
    const dead = agent.events.filter(({ event }) => event === 'dead').length;
    bench.measured(
      `${dead} messages whose answer was refused again and again became dead letters, and were replayed`,
    );
    if (dead > 0) equal((await bench.cleo('agent', 'dead-letters', 'prime', 'replay', '--all')).code, 0);
    const answers = async () => [
      ...(await contentsFor(bench, 'alice')),
      ...(await contentsFor(bench, 'bob')),
    ];
    await until('all are answered', async () => (await answers()).length >= sent.length);
    await until('it is well', async () => (await bench.cleo('agent', 'status', 'prime')).code === 0, 60_000);
    equal((await agent.stop()).code, 0);
    nothingLost(sent, bench.ledger.handled());
    orderKept(bench.ledger.starts());
    deepEqual(
      (await answers()).toSorted(),
      sent.map((_, n) => `re #${n}`).toSorted(),
      'each is answered once',
    );
  },
};

function start(bench: Workbench, env: Record<string, number> = {}): AgentProcess {
  return bench.agent('prime', env, ['--config', ROTATION, ...FAST]);
}

function isSend({ method, path }: Seen): boolean {
  return method === 'POST' && /^\/(conversations\/[^/]+\/)?messages$/.test(path);
}

async function isTaken(bench: Workbench, apiKey: string): Promise<boolean> {
  const dock = await bench.dock();
  return dock.authenticate('prime', apiKey).then(
    () => true,
    () => false,
  );
}

/** What became known of the key, in order. */
function states(events: readonly AgentEvent[]): unknown[] {
  return events.filter(({ event }) => event === 'auth').map(({ state }) => state);
}

function noFailure(events: readonly AgentEvent[]): void {
  deepEqual(
    events.filter(({ event, state }) => event === 'failed' || event === 'problem' || state === 'failed'),
    [],
    'what failed',
  );
}

/**
 * Asserts that a refused key is tried three times in ten seconds at most, and once in each thirty after that. What was on its
 * way together with the first counts as one with it.
 */
function seldom(bench: Workbench, refused: readonly Seen[], overlapSeconds: number): void {
  const asked = refused.map(({ method, path, at }) => {
    const seconds = (at - refused[0]!.at) / 1_000;
    return { seconds, text: `${method} ${path.replace(/[0-9a-f-]{36}/, '…')} (${seconds.toFixed(1)} s)` };
  });
  const told = asked.map(({ text }) => text).join(', ');
  bench.measured(`overlap ${overlapSeconds} s, requests with the refused key: ${told}`);
  const again = asked.map(({ seconds }) => seconds).filter((seconds) => seconds > 0.2);
  ok(again.filter((seconds) => seconds < 10).length <= 2, `in ten seconds: ${told}`);
  const later = again.filter((seconds) => seconds >= 10);
  for (const [index, seconds] of later.entries())
    ok(index === 0 || seconds - later[index - 1]! >= 30, `in thirty seconds: ${told}`);
}

/** As its operator would. */
async function storeKey(bench: Workbench, gateway: Gateway, apiKey: string): Promise<void> {
  const command = ['agent', 'register', 'prime', '--api-url', gateway.url, '--api-key-stdin', '--json'];
  const child = bench.spawn([CLEO, ...command], {}, `${apiKey}\n`);
  equal((await child.exit).code, 0, child.output);
}

async function contentsFor(bench: Workbench, id: string): Promise<string[]> {
  return (await (await bench.dock()).peek(id, { limit: 200 })).map(({ content }) => content);
}

export default [together, atOnce, byOthers];
