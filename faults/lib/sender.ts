import { appendFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { LocalTransport } from '@cleocode/transport-local';

/** Options of a sender process, given as one JSON argument. */
export interface SenderOptions {
  /** The dock's file. */
  dock: string;
  from: string[];
  to?: string;
  conversationId?: string;
  /** Messages in all, dealt over the senders in turn. */
  count: number;
  /** Messages a second; 0 sends as fast as it goes, 64 at a time. */
  rate: number;
  /** `#n` in it becomes the message's number within its sender. */
  content: string;
  /** Each id the backend confirmed, one a line. */
  sentFile: string;
}

const options = JSON.parse(process.argv[2]!) as SenderOptions;
const transports = await Promise.all(
  options.from.map(async (agentId) => {
    const transport = new LocalTransport({ file: options.dock });
    await transport.connect({ agentId });
    return transport;
  }),
);
let errors = 0;
// From here on: what other processes' start-up takes from this one is not the database's doing.
const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();
const started = performance.now();
const perSender = transports.map(async (transport, index) => {
  for (let n = index, number = 0; n < options.count; n += transports.length, number++) {
    if (options.rate > 0) await until(started + (n / options.rate) * 1000);
    try {
      const content = options.content.replace('#n', `#${number}`);
      const conversation = options.conversationId ? { conversationId: options.conversationId } : {};
      const { messageId } = await transport.push(options.to ?? '', content, conversation);
      appendFileSync(options.sentFile, `${messageId}\n`);
    } catch (error) {
      errors += 1;
      process.stderr.write(`${error}\n`);
    }
  }
});
await Promise.all(perSender);
await Promise.all(transports.map((transport) => transport.disconnect()));
const seconds = (performance.now() - started) / 1000;
process.stdout.write(`${JSON.stringify({ errors, seconds, loopDelayMaxMs: delay.max / 1e6 })}\n`);

async function until(time: number): Promise<void> {
  const wait = time - performance.now();
  if (wait > 0) await sleep(wait);
}
