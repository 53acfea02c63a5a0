// FILE FROM TO COUNT CONCURRENCY: sends COUNT messages and prints their ids, and how long the event loop was held.
import { readFileSync } from 'node:fs';
import { openDock } from './dock.ts';

const TICK_MS = 5;
const [file, from, to, count, concurrency] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];
const dock = await openDock({ file, create: false });

let maxHeldMs = 0;
let last = { at: performance.now(), queued: queuedMs() };
const watching = setInterval(() => {
  const now = { at: performance.now(), queued: queuedMs() };
  maxHeldMs = Math.max(maxHeldMs, now.at - last.at - TICK_MS - (now.queued - last.queued));
  last = now;
}, TICK_MS);

const ids: string[] = [];
let next = 0;
const sender = async () => {
  while (next < Number(count)) ids.push((await dock.send(from, to, { content: `${next++}` })).id);
};
await Promise.all(Array.from({ length: Number(concurrency) }, sender));
clearInterval(watching);
await dock.close();
console.log(JSON.stringify({ ids, maxHeldMs }));

/** How long this thread was ready and other processes had the processor: the machine's doing, not the code's. */
function queuedMs(): number {
  if (process.platform !== 'linux') return 0;
  const [, waited] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ');
  return Number(waited) / 1e6;
}
