import { equal, match, notEqual, ok, rejects } from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Fault } from '../lib/gateway.ts';
import { liveKeys, ROTATION, storedKey } from '../lib/keys.ts';
import { nothingLost } from '../lib/ledger.ts';
import { drop, FAST, STREAM } from '../lib/over-http.ts';
import type { Scenario } from '../lib/scenario.ts';
import { noKeyIn } from '../lib/secrets.ts';
import { CLEO, until, Workbench } from '../lib/workbench.ts';

/** Writes down whatever a command that handles a message can see without asking the system for more. */
const LOOK = `#!/bin/sh
{ env; tr '\\0' '\\n' < /proc/self/environ; tr '\\0' ' ' < /proc/self/cmdline; tr '\\0' ' ' < /proc/$PPID/cmdline; cat; } \\
  > "$HOME/looked-$CLEO_MESSAGE_ID"
`;

/** Where a server may put what it was sent, or knows. */
const ECHOES: readonly ((key: string) => Fault)[] = [
  (key) => ({ status: 500, body: `no such thing: Bearer ${key}` }),
  (key) => ({
    status: 400,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      success: false,
      error: { code: 'E_VALIDATION', message: `not ${key}`, hint: key },
    }),
  }),
  (key) => ({ status: 404, headers: { 'content-type': 'text/html' }, body: `<h1>${key}</h1>` }),
  (key) => ({ status: 302, headers: { location: `https://elsewhere.invalid/?token=${key}` }, body: '' }),
  (key) => ({ status: 429, headers: { 'retry-after': key }, body: encodeURIComponent(key) }),
  (key) => ({ status: 200, headers: { 'content-type': key }, body: `{"data":{"messages":"${key}` }),
  (key) => ({ status: 503, body: Buffer.from(key).toString('base64') }),
];

/** A new key in a place where nobody looks for one, and an answer that is none. */
const UNUSABLE: readonly ((body: string) => string)[] = [
  (body) => body.replaceAll('"apiKey"', '"theKey"'),
  (body) => body.slice(0, -3),
];

const echoed: Scenario = {
  name: 'given a server that shows every key it knows in whatever it answers, rotations, and a command that looks around for each message, then no key ever issued shows up in a log, an error, an address, a file, a command line or an environment',
  backends: ['http'],
  limitMs: 120_000,
  async run(bench) {
    await bench.serve();
    await bench.register('prime', ['alice']);
    const gateway = await bench.gateway();
    const look = bench.write('look.sh', LOOK);
    const command = ['agent', 'start', 'prime', '--json', '--exec', `sh ${look}`, ...FAST];
    const agent = bench.spawn([CLEO, ...command]);
    await agent.ready();
    const firstKey = await storedKey(bench, 'prime');
    const sent: string[] = [];
    for (const echo of ECHOES) {
      gateway.rule = () => echo(gateway.keys.at(-1)!);
      notEqual((await bench.spawn([CLEO, 'agent', 'poll', 'prime', '--verbose']).exit).code, 0);
    }
    for (const change of UNUSABLE) {
      gateway.rule = ({ path }) => (path.endsWith('/rotate-key') ? { change } : undefined);
      equal((await bench.cleo('agent', 'rotate-key', 'prime')).code, 1);
      gateway.rule = () => undefined;
      equal((await bench.spawn([CLEO, 'agent', 'rotate-key', 'prime']).exit).code, 0);
      sent.push(await drop(bench, `#${sent.length}`));
    }
    for (const words of ['agent get prime', 'agent list', 'agent status prime', 'config'])
      await bench.spawn([CLEO, ...words.split(' '), '--verbose']).exit;
    await until('all looked', () => looked(bench) === sent.length, 60_000);
    equal((await agent.stop()).code, 0);
    equal(
      gateway.seen.some(({ path }) => path === STREAM),
      true,
    );
    ok(gateway.keys.length >= 3 && !gateway.keys.slice(1).includes(firstKey), 'it was rotated');
    match(bench.outputs, /sk_live_\w{3}…/, 'what it was shown was worth hiding');
    bench.measured(
      `${gateway.keys.length} keys, none found in ${Math.round(bench.outputs.length / 1_000)} kB of output`,
    );
  },
};

const embedded: Scenario = {
  name: 'given the embedded backend and a key that another process replaces while messages are handled, then the running agent uses each new one, and no key shows up anywhere',
  async run(bench) {
    await bench.register('prime', ['alice']);
    const agent = bench.agent('prime', {}, ['--config', ROTATION, ...FAST]);
    await agent.ready();
    const sent: string[] = [];
    for (let n = 0; n < 3; n += 1) {
      bench.keys.push(await storedKey(bench, 'prime'));
      const { code, lines, output } = await bench.cleo('agent', 'rotate-key', 'prime');
      equal(code, 0, output);
      equal(lines.at(-1)!.switched, true);
      ok(liveKeys(bench, 'prime') <= 2);
      sent.push(await drop(bench, `#${n}`));
      await until('handled', () => bench.ledger.handled().has(sent.at(-1)!));
    }
    equal(
      new Set([...bench.keys, await storedKey(bench, 'prime')]).size,
      5,
      'one of alice, and four of prime',
    );
    await until('acked', async () => (await bench.unread('prime')) === 0);
    equal((await agent.stop()).code, 0);
    nothingLost(sent, bench.ledger.handled());
    equal(bench.ledger.starts().length, 3, 'each once');
  },
};

const found: Scenario = {
  name: 'given a key in any spelling in an output, a file, an address, a command line or the environment of a child, then the search that follows each scenario finds it',
  backends: ['http'],
  async run({ full, backend }) {
    const key = `sk_live_${'0123456789abcdef'.repeat(4)}`;
    const spellings = [
      key,
      `the key ${key.slice(8, 20)}…`,
      `?token=${encodeURIComponent(key)}`,
      [...Buffer.from(key)].map((byte) => `%${byte.toString(16)}`).join(''),
      Buffer.from(`Bearer ${key}`).toString('base64'),
      Buffer.from(`a:${key}`).toString('base64url'),
      Buffer.from(`ab:${key}`).toString('base64'),
      Buffer.from(key).toString('hex'),
      `${Buffer.from(key).toString('hex').match(/../g)!.join(' ')}`,
    ];
    const leaks: Record<string, (bench: Workbench, text: string) => Promise<void>> = {
      'what was printed': async (bench, text) => {
        await bench.spawn(['-e', `console.error(process.env.TEXT)`], { TEXT: text }).exit;
      },
      'a file': async (bench, text) => {
        bench.write('left-behind', text);
      },
      'an address': async (bench, text) => {
        const { url } = await bench.gateway();
        // Nobody is behind the gateway, which has heard the address all the same.
        await rejects(fetch(new URL(`/agents?q=${text}`, url)));
      },
      'a command line': async (bench, text) => {
        const child = bench.spawn(['-e', 'setInterval(() => {}, 1_000)', text]);
        await until('it was seen', () => bench.exposed().includes(text));
        await child.kill();
      },
    };
    for (const [place, leak] of Object.entries(leaks))
      for (const text of place === 'a command line' ? spellings.slice(0, 1) : spellings) {
        const bench = new Workbench({ full, seed: 1, backend });
        try {
          bench.keys.push(key);
          await leak(bench, place === 'an address' ? text.replaceAll(' ', '') : text);
          await bench.release();
          await rejects(noKeyIn(bench), /a key leaked into/, `${place}: ${text}`);
        } finally {
          await bench.dispose();
        }
      }
  },
};

function looked({ folder }: Workbench): number {
  return readdirSync(join(folder)).filter((name) => name.startsWith('looked-')).length;
}

export default [echoed, embedded, found];
