import { describe, expect, it } from 'vitest';
import { type Line, type Running, Sandbox } from '../cleo.test.kit.ts';
import { Screen } from '../status/screen.ts';

const WATCH = ['agent', 'status', 'bob', '--watch', '--interval', '0.1'];

describe('cleo agent status --watch', () => {
  it('writes a line when something changes, and only then, and ends with 0 on Ctrl-C', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const agent = await box.start(['bob', '--stdout']);
    const [watch, person] = [box.spawn([...WATCH, '--json']), box.spawn(WATCH)];
    await seen(watch, { running: true, healthy: true, pid: agent.pid });
    await person.until('a line', () => person.stdout || undefined);
    await agent.event('done', { id: await box.sendAs('ada', 'bob', 'hello') });
    await watch.until('what was done', () => watch.events.find(({ inbox }) => (inbox as Line).done === 1));
    expect(await agent.stop()).toBe(0);
    await seen(watch, { running: false, healthy: false });
    await person.until('the end', () => /bob does not run\n$/.test(person.stdout) || undefined);
    expect(await Promise.all([watch.stop('SIGINT'), person.stop('SIGINT')])).toEqual([0, 0]);
    const lines = watch.stdout.split('\n').map((line) => line.replaceAll(/("\w+Ms":)\d+/g, '$1'));
    expect(lines.filter((line, index) => line === lines[index - 1])).toEqual([]);
    expect(person.stdout).toMatch(
      /^\d\d:\d\d:\d\d bob is well \(process \d+\), 0 in flight, 0 queued, \d done/,
    );
  });

  it('answers 4 for an agent that is not registered, and 2 for an interval of nothing', async () => {
    const box = new Sandbox();
    const [unknown, alone] = await Promise.all([
      box.json(WATCH),
      box.json(['agent', 'status', '--interval', '5']),
    ]);
    expect([unknown.code, unknown.lines]).toMatchObject([4, [{ error: { code: 'E_NOT_FOUND_AGENT' } }]]);
    expect([alone.code, alone.lines]).toMatchObject([
      2,
      [{ error: { message: '--interval needs --watch' } }],
    ]);
  });
});

describe('the screen', () => {
  it('draws over what was there, cuts what does not fit, and gives the terminal back once', () => {
    let written = '';
    const write = (text: string) => {
      written += text;
    };
    const output = { columns: 10, rows: 2, write };
    const screen = new Screen(output as never);
    expect(written).toBe('\x1b[?1049h\x1b[?25l\x1b[?7l');
    written = '';
    screen.draw('one\ntwo\nthree');
    expect(written).toBe('\x1b[?2026h\x1b[Hone\x1b[K\r\ntwo\x1b[K\x1b[J\x1b[?2026l');
    written = '';
    screen.close();
    screen.draw('late');
    screen.close();
    expect(written).toBe('\x1b[?7h\x1b[?25h\x1b[?1049l');
  });
});

function seen(watch: Running, members: Line): Promise<Line> {
  return watch.until(JSON.stringify(members), () =>
    watch.events.find((line) => Object.entries(members).every(([key, value]) => line[key] === value)),
  );
}
