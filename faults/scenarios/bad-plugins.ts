import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { join } from 'node:path';
import type { Scenario } from '../lib/scenario.ts';
import { CLEO, until } from '../lib/workbench.ts';

const CONFIG = join(import.meta.dirname, '../fixtures/bad-plugins.config.ts');
const FAULTS = ['throw', 'hang', 'block', 'tell'];

interface Status {
  healthy: boolean;
  plugins: { name: string; failed?: number; tasks: { state: string; restarts: number }[] }[];
  problems: { code: string; severity: string; message: string; hint: string }[];
}

const badPlugins: Scenario = {
  name: 'given plugins that throw, hang, block, leak and tell the key beside a good one, then that one handles every message, each of the others is named, no key gets out, and SIGTERM ends it with 0',
  async run(bench) {
    const others = FAULTS.map((fault) => `wants-${fault}`);
    await bench.register('prime', [...others, 'alice']);
    const agent = bench.spawn([CLEO, 'agent', 'start', 'prime', '--config', CONFIG, '--json']);
    await agent.ready();
    const sent: string[] = [];
    for (const content of FAULTS)
      sent.push(
        ...(await bench.send({ from: [`wants-${content}`], to: 'prime', count: 1, rate: 0, content })),
      );
    sent.push(...(await bench.send({ from: ['alice'], to: 'prime', count: 20, rate: 0, content: 'hello' })));
    const dead = () => agent.events.filter(({ event }) => event === 'dead');
    await until('every message is handled', () => bench.ledger.handled().size === sent.length);
    await until('what cannot be handled is a dead letter', () => dead().length === 3);
    await until('and all are acked', async () => (await bench.unread('prime')) === 0);

    deepEqual([...bench.ledger.handled()].sort(), sent.toSorted());
    equal(bench.ledger.starts().length, sent.length, 'the good plugin has each message once');
    const reasons = dead().map(({ error }) => String(error).split(':', 1)[0]);
    deepEqual(reasons.sort(), ['faults-hangs', 'faults-tells', 'faults-throws']);

    const { code, lines } = await bench.cleo('agent', 'status', 'prime');
    const status = lines[0] as unknown as Status;
    equal(code, 0, 'it hears, and works');
    equal(status.healthy, true);
    const failed = status.plugins.flatMap(({ name, failed }) => (failed ? [[name, failed]] : []));
    deepEqual(failed, [
      ['faults-throws', 2],
      ['faults-hangs', 2],
      ['faults-tells', 2],
    ]);
    const leaks = status.plugins.find(({ name }) => name === 'faults-leaks');
    ok(leaks!.tasks[0]!.restarts > 0, 'the task that fails is started again');
    const blocks = status.problems.find(({ code }) => code === 'handler_blocks');
    equal(blocks?.severity, 'warning');
    match(blocks!.message, /^a message handler blocked the process: faults-blocks for \d{4,} ms$/);
    match(blocks!.hint, /worker thread/);
    ok(agent.output.includes('a message handler blocked the process'), 'its log says so');

    const asked = performance.now();
    deepEqual(await agent.stop(), { code: 0, signal: null }, agent.tail);
    const took = performance.now() - asked;
    ok(took <= 5_000, `${Math.round(took)} ms`);
    const stopped = agent.events.find(({ event }) => event === 'stopped');
    deepEqual([stopped?.ok, stopped?.drained, stopped?.leftOpen], [true, true, ['Timeout']]);
    // That no key is in any of it is looked for after every scenario.
    match(agent.output, /"message":"the key is sk_live_\w{3}…"/);
  },
};

export default [badPlugins];
