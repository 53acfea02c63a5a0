import { setImmediate as tick } from 'node:timers/promises';
import type { ConduitMessage } from '@cleocode/contracts';
import { createKernel, definePlugin, type Logger } from '@cleocode/kernel';
import { median, report } from '../measure.ts';

/** Inbox to handler to done on the journal in memory: what the kernel itself costs per message. */
const PAGE = 200;
const ROUND = 50_000;
const WARM_UP = 8;
const ROUNDS = 20;
const senders = Array.from({ length: 64 }, (_, index) => `agent-${index}`);
const counter = definePlugin({
  name: 'counter',
  version: '1.0.0',
  apiVersion: 1,
  setup(ctx) {
    ctx.on('message', () => {});
  },
});
const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
const kernel = createKernel({ agent: 'bench', plugins: [counter()], logger: quiet });
await kernel.start();
let made = 0;

for (let round = 0; round < WARM_UP; round++) await dispatch();
global.gc!();
const before = process.memoryUsage().rss;
const rates: number[] = [];
for (let round = 0; round < ROUNDS; round++) rates.push(await dispatch());
global.gc!();
const growth = (process.memoryUsage().rss - before) / 2 ** 20;
await kernel.stop();
report([
  {
    what: 'kernel: inbox → handler → done, journal in memory',
    value: median(rates),
    unit: 'messages/s',
    target: '≥ 300,000',
    met: median(rates) >= 300_000,
  },
  {
    what: 'kernel: growth of resident memory over 1,000,000 messages',
    value: growth,
    unit: 'MB',
    target: '≤ 30',
    met: growth <= 30,
  },
]);
process.disconnect?.();

/** One round: the pages are there already, as a source that has read them would have them. */
async function dispatch(): Promise<number> {
  const pages = Array.from({ length: ROUND / PAGE }, () => Array.from({ length: PAGE }, message));
  const goal = kernel.inbox.stats().done + ROUND;
  const started = performance.now();
  while (pages.length > 0) {
    if (kernel.inbox.room < PAGE) await tick();
    else kernel.inbox.receive(pages.pop()!, { name: 'bench', ackable: false });
  }
  while (kernel.inbox.stats().done < goal) await tick();
  return ROUND / ((performance.now() - started) / 1000);
}

function message(): ConduitMessage {
  made += 1;
  // A flat string, as parsing gives one; a concatenated one would be flattened inside the measured part.
  const id = Buffer.from(`message-${made}`).toString('latin1');
  return { id, from: senders[made % 64]!, content: 'hello', timestamp: '', seq: made };
}
