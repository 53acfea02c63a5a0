import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Task } from './index.ts';
import { gate, kernelOf, plugin, recordLogs, until } from './kernel.test.kit.ts';
import { SupervisedTask } from './supervisor.ts';

const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));

it('awaits the tasks of a plugin when it ends, and lets them finish in peace', async () => {
  const { passed, open } = gate();
  const ended = vi.fn();
  const kernel = kernelOf({
    plugins: [
      plugin('a', (ctx) =>
        ctx.on('start', () =>
          ctx.task('flush', async (signal) => {
            await untilAborted(signal);
            await passed;
            ended();
          }),
        ),
      ),
    ],
  });
  await kernel.start();
  let stopped = false;
  const stopping = kernel.stop().then((report) => {
    stopped = true;
    return report;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(stopped).toBe(false);
  open();
  expect(await stopping).toMatchObject({ ok: true });
  expect(ended).toHaveBeenCalledOnce();
});

it('does not start a task once its plugin is being ended', async () => {
  const work = vi.fn(async () => {});
  const kernel = kernelOf({
    plugins: [plugin('a', (ctx) => ctx.on('stop', () => ctx.task('late', work)))],
  });
  await kernel.start();
  expect(await kernel.stop()).toMatchObject({ ok: true });
  expect(work).not.toHaveBeenCalled();
});

it('keeps no more tasks in its description than run, however many have come and gone', async () => {
  const kernel = kernelOf({
    plugins: [
      plugin('a', (ctx) =>
        ctx.on('start', async () => {
          for (let n = 0; n < 100; n++) {
            ctx.task('short', async () => {});
            await null;
            await null;
          }
          ctx.task('short', untilAborted);
          ctx.task('short', untilAborted);
        }),
      ),
    ],
  });
  await kernel.start();
  expect(kernel.describe().plugins[0]!.tasks).toEqual([
    { name: 'short', state: 'running', restarts: 0 },
    { name: 'short', state: 'running', restarts: 0 },
  ]);
});

describe('a task in the hand of its plugin', () => {
  /** A plugin with one task, which notes when it begins and ends; its end takes until `open`. */
  async function worker() {
    const events: string[] = [];
    const { passed, open } = gate();
    let task: Task | undefined;
    const kernel = kernelOf({
      plugins: [
        plugin('a', (ctx) =>
          ctx.on('start', () => {
            task = ctx.task('work', async (signal) => {
              events.push('begins');
              await untilAborted(signal);
              await passed;
              events.push('ends');
            });
          }),
        ),
      ],
    });
    await kernel.start();
    const state = () => kernel.describe().plugins[0]!.tasks[0]?.state;
    return { task: task!, events, open, kernel, state };
  }

  it('stops alone, is waited for, and starts again', async () => {
    const { task, events, open, state } = await worker();
    const stopped = task.stop();
    expect([events, state()]).toEqual([['begins'], 'running']);
    open();
    await stopped;
    expect([events, state()]).toEqual([['begins', 'ends'], 'ended']);
    await task.stop();
    task.start();
    task.start();
    expect([events, state()]).toEqual([['begins', 'ends', 'begins'], 'running']);
  });

  it('starts again after the stop under way, never beside itself; a stop takes that back', async () => {
    const { task, events, open } = await worker();
    const stopped = task.stop();
    task.start();
    task.start();
    expect(events).toEqual(['begins']);
    open();
    await stopped;
    await until(() => events.length === 3);
    expect(events).toEqual(['begins', 'ends', 'begins']);
    void task.stop();
    task.start();
    await task.stop();
    expect(events).toEqual(['begins', 'ends', 'begins', 'ends']);
  });

  it('ends with its plugin, and refuses to start after that', async () => {
    const { task, events, open, kernel } = await worker();
    open();
    await task.stop();
    task.start();
    expect(await kernel.stop()).toMatchObject({ ok: true });
    expect(events).toEqual(['begins', 'ends', 'begins', 'ends']);
    expect(() => task.start()).toThrow(
      expect.objectContaining({
        code: 'E_KERNEL_STATE',
        message: 'a: "work" cannot start again: the kernel has been stopped',
      }),
    );
    await task.stop();
  });
});

describe('a task that throws', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.spyOn(Math, 'random').mockReturnValue(1);
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it('is reported and starts again after 1 s, doubling to 30 s', async () => {
    const log = recordLogs();
    const starts: number[] = [];
    const abort = new AbortController();
    const began = performance.now();
    const task = new SupervisedTask(
      'watch',
      async () => {
        starts.push(performance.now() - began);
        throw new Error('no network');
      },
      abort.signal,
      log.logger,
    );
    await vi.advanceTimersByTimeAsync(121_000);
    expect(starts).toEqual([0, 1_000, 3_000, 7_000, 15_000, 31_000, 61_000, 91_000, 121_000]);
    expect(task).toMatchObject({ state: 'restarting', restarts: 9 });
    expect(log.records[1]).toEqual({
      level: 'warn',
      message: 'task "watch" failed and starts again',
      fields: { error: 'no network', restartInMs: 2_000 },
    });
    abort.abort();
    await task.ended;
    expect(task.state).toBe('ended');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is forgiven its failures once it ran for longer than the longest wait', async () => {
    const starts: number[] = [];
    const began = performance.now();
    const abort = new AbortController();
    const task = new SupervisedTask(
      'watch',
      async () => {
        starts.push(performance.now() - began);
        if (starts.length === 4) await new Promise((resolve) => setTimeout(resolve, 60_000));
        throw new Error('again');
      },
      abort.signal,
      recordLogs().logger,
    );
    await vi.advanceTimersByTimeAsync(68_500);
    expect(starts).toEqual([0, 1_000, 3_000, 7_000, 68_000]);
    expect(task.restarts).toBe(5);
    abort.abort();
    await task.ended;
  });

  it('is not started again when it threw because of its end', async () => {
    const log = recordLogs();
    const abort = new AbortController();
    const task = new SupervisedTask(
      'watch',
      (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      abort.signal,
      log.logger,
    );
    abort.abort();
    await task.ended;
    expect(task).toMatchObject({ state: 'ended', restarts: 0 });
    expect(log.records).toEqual([]);
  });

  it('may throw at once instead of rejecting', async () => {
    const abort = new AbortController();
    const task = new SupervisedTask(
      'watch',
      () => {
        throw 'not even an error';
      },
      abort.signal,
      recordLogs().logger,
    );
    await vi.advanceTimersByTimeAsync(0);
    expect(task).toMatchObject({ state: 'restarting', restarts: 1 });
    abort.abort();
    await task.ended;
  });

  it('ends for good when it resolves', async () => {
    const work = vi.fn(async () => {});
    const task = new SupervisedTask('once', work, new AbortController().signal, recordLogs().logger);
    await task.ended;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(work).toHaveBeenCalledOnce();
    expect(task.state).toBe('ended');
  });
});
