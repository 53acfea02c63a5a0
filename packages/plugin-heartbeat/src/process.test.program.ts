/**
 * An agent that does nothing but beat, into the dock of a file, until SIGTERM. What comes on stdin proves that it hears. It
 * prints what happens, one JSON line each.
 */
import { openDock } from '@cleocode/signaldock';
import { DockTransport } from './dock-transport.test.kit.ts';
import { HeartbeatService } from './index.ts';

const print = (...event: unknown[]) => process.stdout.write(`${JSON.stringify(event)}\n`);

let heardAt = performance.now();
process.stdin.on('data', () => {
  heardAt = performance.now();
});

const dock = await openDock({ file: process.argv[2]!, create: false });
const service = new HeartbeatService({
  transport: new DockTransport(dock, 'bot'),
  intervalMs: 1_000,
  intake: { health: () => ({ budgetMs: 600_000, lastReceiveAgeMs: performance.now() - heardAt }) },
  onChange: (status) => print(status),
  onStall: ({ gapMs }) => print('stall', gapMs),
});
service.start();

process.once('SIGTERM', async () => {
  await service.stop();
  await dock.close();
  // The process ends by itself, unless the service has left something behind.
  process.stdin.destroy();
});
