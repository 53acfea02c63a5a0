import { deepEqual, equal, ok } from 'node:assert/strict';
import { mkdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentProcess } from '../lib/agent-process.ts';
import type { Fault, Seen } from '../lib/gateway.ts';
import { liveKeys, ROTATION, rotationOnDisk, storedKey } from '../lib/keys.ts';
import { nothingLost, orderKept } from '../lib/ledger.ts';
import { drop, FAST, live, STREAM } from '../lib/over-http.ts';
import type { Scenario } from '../lib/scenario.ts';
import { CLEO, until, type Workbench } from '../lib/workbench.ts';

/** Who is killed: the agent that rotates its key, the command that does it beside the agent, or the command and the agent. */
type Victim = 'agent' | 'command' | 'both';

/** One rotation that is to be cut short. */
interface Round {
  /** Kills, the first time. */
  hit(): void;
  /** For the requests of the agent and of the command from here on. */
  onRequest(rule: (request: Seen) => Fault | undefined): void;
  /** Runs `then`, once, when these files have been made, written or renamed, one after another. */
  onFiles(files: readonly WatchedFile[], then: () => void): void;
  /** Keys that the gateway knew before. */
  keys: number;
  random(): number;
}

/** Below the state folder: a folder, and what a name in it has to be like. */
type WatchedFile = readonly [folder: string, name: RegExp];

const ROTATE = '/agents/prime/rotate-key';
const VERIFY = '/agents/prime';
const LOCK: WatchedFile = ['run/rotation', /^prime\.lock/];
const WRITTEN: WatchedFile = ['.', /^state\.db-wal$/];
const BACKING_UP: WatchedFile = ['.', /^credentials\.backup\.\d+\.tmp$/];
const BACKED_UP: WatchedFile = ['.', /^credentials\.backup$/];

/** The steps of a rotation, each with what tells from outside that it is being done. */
const POINTS: Record<string, (round: Round) => void> = {
  'the lock is taken': ({ onFiles, hit }) => onFiles([LOCK], hit),
  'the intent is written': ({ onFiles, hit }) => onFiles([LOCK, WRITTEN], hit),
  'the intent is being backed up': ({ onFiles, hit }) => onFiles([LOCK, BACKING_UP], hit),
  'the intent is backed up': ({ onFiles, hit }) => onFiles([LOCK, BACKING_UP, BACKED_UP], hit),
  'the request for a new key is on its way': (round) => held(round, isRotation),
  'the server has made it': (round) => answered(round, isRotation, round.hit, 'hold'),
  'half of the answer has arrived': ({ onRequest, hit }) =>
    onRequest((request) => {
      if (!isRotation(request)) return undefined;
      setTimeout(hit, 50);
      return 'stall';
    }),
  'the answer has arrived': (round) => answered(round, isRotation, () => setImmediate(round.hit)),
  'the new key is written': (round) => filesAfter(round, isRotation, [WRITTEN]),
  'the new key is being backed up': (round) => filesAfter(round, isRotation, [BACKING_UP]),
  'the new key is backed up': (round) => filesAfter(round, isRotation, [BACKING_UP, BACKED_UP]),
  'the new key is being tried': (round) => held(round, isTrial),
  'the server has taken it': (round) => answered(round, isTrial, round.hit, 'hold'),
  'it is known to work': (round) => answered(round, isTrial, () => setImmediate(round.hit)),
  'it is put in use': (round) => filesAfter(round, isTrial, [WRITTEN]),
  'its use is being backed up': (round) => filesAfter(round, isTrial, [BACKING_UP]),
  'its use is backed up': (round) => filesAfter(round, isTrial, [BACKING_UP, BACKED_UP]),
  'its first use is on its way': (round) => held(round, (request) => isUse(request, round)),
  'its first use is answered': (round) =>
    answered(round, (request) => isUse(request, round) && request.path !== STREAM, round.hit, 'hold'),
  'a stream with it stands beside the old one': (round) =>
    round.onRequest((request) => {
      if (!isUse(request, round) || request.path !== STREAM) return undefined;
      return { through: () => round.hit() };
    }),
  // Its overlap ends two seconds after the first use of the new one, and nothing else is written then.
  'the old key is forgotten': (round) =>
    answered(round, isTrial, () => void setTimeout(() => round.onFiles([BACKING_UP], round.hit), 1_000)),
  'some moment': ({ onFiles, hit, random }) => onFiles([LOCK], () => void setTimeout(hit, random() * 150)),
};

const kills: Scenario = {
  name: `given kill -9 at ${Object.keys(POINTS).length} points of a rotation, of the agent, of a command that rotates beside it, or of both, then the agent authenticates afterwards, with the newest key, and the server never takes more than two`,
  backends: ['http'],
  limitMs: 240_000,
  async run(bench) {
    await bench.serve();
    await bench.register('prime', ['alice']);
    // Where its locks will be, so that it can be watched.
    mkdirSync(join(bench.stateDir, 'run/rotation'), { recursive: true });
    let agent = start(bench);
    const agents = [agent];
    const refusals = () => agents.flatMap(({ events }) => events.filter(({ state }) => state === 'failed'));
    const sent: string[] = [];
    let killed = 0;
    let slowest = 0;
    for (const [name, point] of Object.entries(POINTS)) {
      const found: string[] = [];
      for (let nth = 0; nth < (bench.full ? 10 : 2); nth += 1) {
        await live(bench, agent);
        const beside: Victim = bench.random() < 0.5 ? 'command' : 'both';
        const victim = nth % 2 === 0 ? 'agent' : beside;
        // One that is on its way meanwhile; it is written down too, which tells the steps on disk apart less well.
        if (victim === 'both') sent.push(await drop(bench, `#${sent.length}`));
        const { command, at } = await cutShort(bench, agent, victim, point);
        found.push(at);
        killed += 1;
        ok(liveKeys(bench, 'prime') <= 2, `${name}: ${liveKeys(bench, 'prime')} live keys`);
        const since = performance.now();
        await command?.exit;
        if (victim !== 'command') {
          agent = start(bench);
          agents.push(agent);
        }
        sent.push(await drop(bench, `#${sent.length}`));
        const isHandled = () => sent.slice(-2).every((id) => bench.ledger.handled().has(id));
        await until(`${name}, ${victim}: it hears`, isHandled, 20_000);
        await until(`${name}, ${victim}: it acks`, async () => (await bench.unread('prime')) === 0, 20_000);
        await until(`${name}, ${victim}: the rotation ends`, () => isOver(bench), 20_000);
        slowest = Math.max(slowest, performance.now() - since);
        ok(liveKeys(bench, 'prime') <= 2, `${name}: ${liveKeys(bench, 'prime')} live keys afterwards`);
        deepEqual(refusals(), [], `${name}, ${victim}: a key was refused and there was no other`);
        await isNewest(bench, await storedKey(bench, 'prime'), `${name}, ${victim}`);
      }
      bench.measured(`${name}: ${summed(found)}`);
    }
    await live(bench, agent);
    equal((await agent.stop()).code, 0);
    nothingLost(sent, bench.ledger.handled());
    orderKept(bench.ledger.starts());
    const repeated = [...bench.ledger.startsById().values()].filter((starts) => starts > 1).length;
    bench.measured(
      `${killed} kills, ${sent.length} messages, ${repeated} of them handled twice; well again after at most ${Math.round(slowest)} ms`,
    );
    ok(repeated <= killed);
  },
};

function start(bench: Workbench): AgentProcess {
  // The shortest overlap that is one, so that its end can be met.
  return bench.agent('prime', { FAULTS_OVERLAP_S: 2 }, ['--config', ROTATION, ...FAST]);
}

/** Begins a rotation, kills who is to be killed at that point of it, and answers where it stands on disk then. */
async function cutShort(
  bench: Workbench,
  agent: AgentProcess,
  victim: Victim,
  point: (round: Round) => void,
): Promise<{ command?: AgentProcess; at: string }> {
  const gateway = await bench.gateway();
  const watchers = new AbortController();
  const hit = Promise.withResolvers<void>();
  let command: AgentProcess | undefined;
  const round: Round = {
    hit: () => {
      if (victim !== 'command') agent.signal('SIGKILL');
      if (victim !== 'agent') command!.signal('SIGKILL');
      hit.resolve();
    },
    onRequest: (rule) => {
      gateway.rule = rule;
    },
    onFiles: (files, then) => {
      let next = 0;
      for (const folder of new Set(files.map(([name]) => name)))
        watch(join(bench.stateDir, folder), { signal: watchers.signal }, (_, file) => {
          const wanted = files[next];
          if (wanted?.[0] !== folder || !wanted[1].test(file ?? '')) return;
          next += 1;
          if (next === files.length) then();
        });
    },
    keys: gateway.keys.length,
    random: () => bench.random(),
  };
  point(round);
  if (victim === 'agent') agent.signal('SIGUSR2');
  else command = bench.spawn([CLEO, 'agent', 'rotate-key', 'prime', '--overlap', '2', '--json']);
  try {
    await Promise.race([hit.promise, neverHit()]);
    await (victim === 'command' ? command : agent)!.exit;
    return { ...(command && { command }), at: rotationOnDisk(bench, 'prime') };
  } finally {
    watchers.abort();
    gateway.rule = () => undefined;
  }
}

function isRotation({ path }: Seen): boolean {
  return path === ROTATE;
}

function isTrial({ path, method }: Seen): boolean {
  return path === VERIFY && method === 'GET';
}

/** A request with the new key that is no trial. */
function isUse(request: Seen, { keys }: Round): boolean {
  return request.agentId === 'prime' && (request.key ?? 0) >= keys && !isTrial(request);
}

/** Strikes when such a request comes, which gets no further. */
function held(round: Round, wanted: (request: Seen) => boolean): void {
  round.onRequest((request) => {
    if (!wanted(request)) return undefined;
    round.hit();
    return 'hang';
  });
}

/** Runs `then` when the server has answered such a request, before the client has the answer; which it never gets with `hold`. */
function answered(round: Round, wanted: (request: Seen) => boolean, then: () => void, hold?: 'hold'): void {
  round.onRequest((request) => {
    if (!wanted(request)) return undefined;
    return {
      change: (body) => {
        then();
        if (hold) throw new Error('held');
        return body;
      },
    };
  });
}

/** Strikes when such a request was answered and then these files have been touched. */
function filesAfter(round: Round, wanted: (request: Seen) => boolean, files: readonly WatchedFile[]): void {
  answered(round, wanted, () => round.onFiles(files, round.hit));
}

async function neverHit(): Promise<never> {
  await sleep(20_000, undefined, { ref: false });
  throw new Error('the point was not met within 20 s');
}

function isOver(bench: Workbench): boolean {
  return ['none', 'active'].includes(rotationOnDisk(bench, 'prime'));
}

/** The server takes the key, and knows of none that is newer. */
async function isNewest(bench: Workbench, apiKey: string, when: string): Promise<void> {
  const dock = await bench.dock();
  await dock.authenticate('prime', apiKey);
  equal((await bench.gateway()).keys.filter((key) => key.length > 20).at(-1), apiKey, `${when}: the newest`);
}

/** `intent ×2, none`. */
function summed(states: readonly string[]): string {
  const counts = [...new Set(states)].map((state) => {
    const count = states.filter((other) => other === state).length;
    return count === 1 ? state : `${state} ×${count}`;
  });
  return counts.join(', ');
}

export default [kills];
