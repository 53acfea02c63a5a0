import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nothingLost, orderKept } from '../lib/ledger.ts';
import { drop, FAST } from '../lib/over-http.ts';
import type { Scenario } from '../lib/scenario.ts';
import { CONFIG, until, type Workbench } from '../lib/workbench.ts';

const MESSAGES = 1_000;

/** What `cleo agent status --json` says, as far as it is looked at. */
interface Status {
  running: boolean;
  healthy: boolean;
  pid: number;
  realtime: { state: string };
  inbox: { done: number; inFlight: number; dead: number };
  key: { ageMs: number; state: string };
  problems: { code: string; severity: string }[];
}

const week: Scenario = {
  name: 'given a week in the life of an agent in the background (1,000 messages, a restart of its server, another key, kill -9, a stop), then its status is right at each step, nothing is lost, and its log tells the story',
  backends: ['http'],
  limitMs: 150_000,
  async run(bench) {
    await bench.serve();
    await bench.register('prime', ['alice']);
    const firstPid = await start(bench);
    const isWell = async () => {
      const { code, status } = await statusOf(bench);
      return code === 0 && status.healthy && status.realtime.state === 'live';
    };
    await until('it is well and hears at once', isWell);

    const sent = await bench.send({ from: ['alice'], to: 'prime', count: MESSAGES, rate: 0, content: '#n' });
    const allHandled = () => bench.ledger.handled().size === sent.length;
    await until('the messages of a week are handled', allHandled, 60_000);
    await until('and acked', async () => (await bench.unread('prime')) === 0);
    equal((await statusOf(bench)).status.inbox.done, MESSAGES);

    equal((await (await bench.server()).stop()).code, 0);
    await until('it says that its server is away', async () => {
      const { code, status } = await statusOf(bench);
      return code === 3 && status.running && status.problems.some(({ severity }) => severity === 'error');
    });
    await bench.serve();
    sent.push(await drop(bench, '#1000'));
    await until('it hears again', allHandled, 40_000);
    await until('it is well again', isWell, 40_000);

    const ageMs = (await statusOf(bench)).status.key.ageMs;
    const rotated = await bench.cleo('agent', 'rotate-key', 'prime');
    deepEqual([rotated.code, rotated.lines.at(-1)!.switched], [0, true], rotated.output);
    ok((await statusOf(bench)).status.key.ageMs < ageMs, 'the key is younger than before');

    process.kill(firstPid, 'SIGKILL');
    await until('it is said to be gone', async () => {
      const { code, status } = await statusOf(bench);
      return code === 3 && !status.running && status.problems[0]!.code === 'not_running';
    });
    sent.push(await drop(bench, '#1001'));
    const secondPid = await start(bench);
    await until('what came meanwhile is handled', allHandled);
    await until('it is well after that', isWell);

    sent.push(await drop(bench, '#1002'));
    const stopped = await bench.cleo('agent', 'stop', 'prime');
    equal(stopped.code, 0, stopped.output);
    deepEqual(pick(stopped.lines.at(-1)!, ['pid', 'drained', 'by']), {
      pid: secondPid,
      drained: true,
      by: 'request',
    });
    equal((await statusOf(bench)).code, 3);
    const examined = await bench.cleo('doctor');
    equal(examined.code, 0, examined.output);
    equal(examined.lines.at(-1)!.errors, 0);

    const handled = bench.ledger.handled();
    const unread = await bench.unread('prime');
    equal(handled.size + unread, sent.length, 'what was sent last is handled, or waits');
    nothingLost(sent.slice(0, sent.length - unread), handled);
    equal(bench.ledger.starts().length, handled.size, 'each once');
    orderKept(bench.ledger.starts());
    tellsTheStory(bench, [firstPid, secondPid]);
    const { output } = await bench.cleo('agent', 'logs', 'prime', '-n', '5');
    match(output, /stopped/, 'and can be read');
  },
};

/** Answers the process that runs it from then on. */
async function start(bench: Workbench): Promise<number> {
  const { code, lines, output } = await bench.cleo(
    ...['agent', 'start', 'prime', '--config', CONFIG, '--detach', ...FAST],
  );
  equal(code, 0, output);
  const pid = lines.find(({ event }) => event === 'ready')!.pid as number;
  bench.onCleanUp(() => {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended, as it should have.
    }
  });
  return pid;
}

async function statusOf(bench: Workbench): Promise<{ code: number | null; status: Status }> {
  const { code, lines } = await bench.cleo('agent', 'status', 'prime');
  return { code, status: lines.at(-1) as unknown as Status };
}

/** Somebody who was not there reads, in this order, what happened. */
function tellsTheStory(bench: Workbench, [firstPid, secondPid]: [number, number]): void {
  const lines = readFileSync(join(bench.stateDir, 'logs/prime.log'), 'utf8').trim().split('\n');
  const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const story: [what: string, (line: Record<string, unknown>) => boolean][] = [
    ['it starts', ({ event, pid }) => event === 'starting' && pid === firstPid],
    ['it is ready', ({ event, transport }) => event === 'ready' && transport === 'http'],
    ['it hears by a stream', ({ event, state }) => event === 'realtime' && state === 'live'],
    ['it handles the first message', ({ event }) => event === 'done'],
    ['the stream is lost, and why', ({ event, problem }) => event === 'realtime' && problem !== undefined],
    ['there is a stream again', ({ event, state }) => event === 'realtime' && state === 'live'],
    ['it has another key', ({ event, state }) => event === 'auth' && state === 'rotated'],
    [
      'it starts again, after an end that nobody asked for',
      ({ event, pid, ended }) => event === 'starting' && pid === secondPid && ended !== undefined,
    ],
    ['it is ready again', ({ event, pid }) => event === 'ready' && pid === secondPid],
    [
      'it stops because it was asked to',
      ({ event, reason, drained }) => event === 'stopped' && reason === 'requested' && drained === true,
    ],
  ];
  let from = 0;
  for (const [what, tells] of story) {
    const found = told.findIndex((line, index) => index >= from && tells(line));
    ok(
      found >= 0,
      `the log does not tell, after line ${from}: ${what}\n${lines.slice(from).join('\n').slice(0, 4_000)}`,
    );
    from = found + 1;
  }
  bench.measured(`the log of it has ${lines.length} lines`);
}

function pick(from: Record<string, unknown>, names: string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, from[name]]));
}

export default [week];
