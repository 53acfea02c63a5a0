import { PassThrough } from 'node:stream';
import { afterEach, expect, it, vi } from 'vitest';
import { Output } from './output.ts';
import { during } from './progress.ts';

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

it('says what is waited for on a terminal, with the time, and takes the line back', async () => {
  const { written, output } = onTerminal(80);
  const work = Promise.withResolvers<string>();
  const result = during(output, 'waiting for somebody', () => work.promise);
  await vi.advanceTimersByTimeAsync(400);
  expect(written()).toBe('');
  await vi.advanceTimersByTimeAsync(1_200);
  process.stderr.columns = 20;
  await vi.advanceTimersByTimeAsync(1_000);
  const lines = ['… waiting for somebody', '… waiting for somebody (1 s)', '… waiting for some…'];
  expect(written()).toBe(lines.map((line) => `\r\x1b[K${line}`).join(''));
  output.note('by the way');
  work.resolve('done');
  expect(await result).toBe('done');
  expect(written().slice(written().lastIndexOf('…') + 1)).toBe('\r\x1b[Kby the way\n');
});

it('tells a program nothing, and nobody anything once it is over', async () => {
  const { written } = onTerminal(80);
  const slow = () => new Promise<void>((resolve) => setTimeout(resolve, 5_000));
  const told = during(new Output({ json: true, verbose: false }), 'waiting', slow);
  await vi.advanceTimersByTimeAsync(5_000);
  await told;
  await expect(
    during(new Output({ json: false, verbose: false }), 'failing', () => Promise.reject(new Error('no'))),
  ).rejects.toThrow('no');
  await vi.advanceTimersByTimeAsync(5_000);
  // Warnings of Node about other tests of the process come here too.
  expect(written()).not.toMatch(/waiting|failing/);
});

function onTerminal(columns: number): { written(): string; output: Output } {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] });
  const stderr = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY: true, columns });
  vi.spyOn(process, 'stderr', 'get').mockReturnValue(stderr as never);
  let text = '';
  stderr.on('data', (chunk: string) => {
    text += chunk;
  });
  return { written: () => text, output: new Output({ json: false, verbose: false }) };
}
