// push FILE FROM TO COUNT [CONCURRENCY]: sends COUNT messages, each with its time, and prints what it saw.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { openDock } from './dock.ts';

const [file, from, to, count, concurrency = '1'] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string?,
];
const dock = await openDock({ file, create: false });
const delay = monitorEventLoopDelay({ resolution: 10 });
delay.enable();
const ids: string[] = [];
let next = 0;
const sender = async () => {
  while (next < Number(count)) {
    const n = next++;
    const content = JSON.stringify({ n, at: performance.timeOrigin + performance.now() });
    ids.push((await dock.send(from, to, { content })).id);
  }
};
await Promise.all(Array.from({ length: Number(concurrency) }, sender));
delay.disable();
await dock.close();
console.log(JSON.stringify({ ids, maxDelayMs: delay.max / 1e6 }));
