import { describe, expect, it } from 'vitest';
import { configWith, type Line, Sandbox } from '../cleo.test.kit.ts';

describe('cleo agent watch', () => {
  it('prints messages as poll shows them, acks each, and ends with 0 on Ctrl-C', async () => {
    const box = new Sandbox();
    await box.register('bob');
    await box.sendAs('ada', 'bob', 'before');
    const waiting = (await box.json(['agent', 'poll', 'bob'])).lines[0];
    const watch = box.spawn(['agent', 'watch', 'bob']);
    await watch.until('the first line', () => watch.events[0]);
    const id = await box.sendAs('ada', 'bob', 'after');
    await watch.until('the second line', () => watch.events[1]);
    expect(await watch.stop('SIGINT')).toBe(0);
    expect(watch.events).toEqual([waiting, expect.objectContaining({ id, from: 'ada', content: 'after' })]);
    expect(watch.stderr).toBe('');
    expect(await waitingFor(box)).toEqual([]);
  });

  it('ends with 0 when its reader leaves, and leaves alone what it could not print', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const watch = box.spawn(['agent', 'watch', 'bob']);
    await box.sendAs('ada', 'bob', 'read');
    await watch.until('a line', () => watch.events[0]);
    watch.closeStdout();
    await box.sendAs('ada', 'bob', 'not read');
    expect([(await watch.exit).code, watch.stderr]).toEqual([0, '']);
    expect((await waitingFor(box)).map(({ content }) => content)).toEqual(['not read']);
  });

  it('ends when nobody reads its stderr either', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const watch = box.spawn(['agent', 'watch', 'bob', '--log-level', 'debug']);
    await watch.until('a log', () => watch.stderr || undefined);
    watch.closeStderr();
    watch.closeStdout();
    await box.sendAs('ada', 'bob', 'not read');
    expect((await watch.exit).code).toBe(0);
  });

  it('is refused with 5 while the agent runs, and leaves the handlers of the configuration out', async () => {
    const box = new Sandbox();
    box.installKernel();
    await box.register('bob');
    box.write('cleo.config.ts', configWith('ctx.on("message", () => { throw new Error("handled"); });'));
    const first = box.spawn(['agent', 'watch']);
    await box.sendAs('ada', 'bob', 'hello');
    await first.until('a line', () => first.events[0]);
    const { code, lines } = await box.json(['agent', 'watch']);
    expect([code, lines]).toEqual([
      5,
      [
        {
          ok: false,
          error: {
            code: 'E_ALREADY_RUNNING',
            message: `bob runs already, as process ${first.pid}: its messages go there`,
            hint: 'Stop it first: cleo agent stop bob. To look and take nothing: cleo agent poll bob',
          },
        },
      ],
    ]);
    expect(await first.stop()).toBe(0);
    expect([first.events.length, first.stderr]).toEqual([1, '']);
  });
});

/** What is unread, as the backend knows it. */
async function waitingFor(box: Sandbox): Promise<Line[]> {
  return (await (await box.dock()).peek('bob', {})) as unknown as Line[];
}
