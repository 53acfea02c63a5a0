import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { PassThrough, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import fromSubpath from '@cleocode/plugin-deliver/stdout';
import { describe, expect, it } from 'vitest';
import { stdout } from './index.ts';
import { LinePrinter } from './line-printer.ts';
import { humanLine, jsonLine } from './message-line.ts';
import { useFolder } from './process.test.kit.ts';

const folder = useFolder();
const { signal } = new AbortController();
const message = {
  id: 'm1',
  from: 'alice',
  content: 'hello',
  timestamp: '2026-01-01T00:00:00Z',
  threadId: 't1',
};

describe('a line for people', () => {
  it('shows when, who, where and what', () => {
    expect(humanLine({ message })).toBe('2026-01-01T00:00:00Z alice [t1] hello');
    expect(humanLine({ message: { ...message, threadId: undefined } })).toBe(
      '2026-01-01T00:00:00Z alice hello',
    );
  });

  it('stays one line and cannot speak to the terminal', () => {
    const content = 'two\nlines\twith \u001b[31mred\u001b[0m, \u009b31m, a bell \u0007 and \u2028';
    const line = humanLine({ message: { ...message, from: 'al\rice', content } });
    expect(line).toBe(
      '2026-01-01T00:00:00Z al\\u000dice [t1] two\\nlines\\twith \\u001b[31mred\\u001b[0m, \\u009b31m, a bell \\u0007 and \\u2028',
    );
  });
});

it('a line for programs is the message event of the command line', () => {
  expect(JSON.parse(jsonLine({ message, attempt: 2 }))).toEqual({
    event: 'message',
    id: 'm1',
    from: 'alice',
    content: 'hello',
    threadId: 't1',
    attempt: 2,
    timestamp: '2026-01-01T00:00:00Z',
  });
  expect(jsonLine({ message: { ...message, content: 'a\nb', groupId: 'g' }, attempt: 1 })).toContain(
    '"groupId":"g"',
  );
});

describe('the printer', () => {
  it('resolves only when the line is taken', async () => {
    let take = () => {};
    const slow = new Writable({
      write: (_chunk, _encoding, taken) => {
        take = taken;
      },
    });
    let printed = false;
    const printing = new LinePrinter(slow).print('hello', signal).then(() => {
      printed = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(printed).toBe(false);
    take();
    await printing;
    expect(printed).toBe(true);
  });

  it('stops waiting when the signal aborts', async () => {
    const stuck = new Writable({ write: () => {} });
    const abort = new AbortController();
    const printing = new LinePrinter(stuck).print('hello', abort.signal);
    abort.abort(new Error('gave up'));
    await expect(printing).rejects.toThrow('gave up');
    await expect(new LinePrinter(stuck).print('hello', abort.signal)).rejects.toThrow('gave up');
  });

  it('says what is wrong when nobody reads any more, now and later', async () => {
    const broken = new Writable({
      write: (_chunk, _encoding, taken) => taken(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
    });
    const printer = new LinePrinter(broken);
    for (let n = 0; n < 2; n++)
      await expect(printer.print('hello', signal)).rejects.toMatchObject({
        code: 'E_STDOUT_CLOSED',
        message: expect.stringContaining('could not be written'),
        hint: expect.stringContaining('has ended'),
      });
  });

  it('lets go of the stream and leaves it open', async () => {
    const stream = new PassThrough();
    const before = stream.listenerCount('error');
    const printer = new LinePrinter(stream);
    printer.close();
    expect(stream.listenerCount('error')).toBe(before);
    expect(stream.writable).toBe(true);
  });
});

describe('under the kernel', () => {
  /** Runs an agent that prints `count` messages and reports on stderr how each ended. */
  function agent(options: object, count: number, content = 'hello') {
    const program = folder.file('agent.mjs');
    const module = (name: string) => JSON.stringify(import.meta.resolve(name));
    writeFileSync(
      program,
      `import { createKernel } from ${module('@cleocode/kernel')};
       import { MockTransport } from ${module('@cleocode/contracts/testing')};
       import { stdout } from ${module('@cleocode/plugin-deliver')};
       const kernel = createKernel({
         agent: 'bot',
         transport: new MockTransport(),
         plugins: [stdout(${JSON.stringify(options)})],
         inbox: { maxAttempts: 1 },
       });
       await kernel.start();
       const beats = setInterval(() => process.stderr.write('beat\\n'), 50);
       for (let n = 0; n < ${count}; n++) {
         const message = { id: 'm' + n, from: 'alice', content: ${JSON.stringify(content)}, timestamp: 'now' };
         const { status, error } = await kernel.dispatch(message);
         process.stderr.write(status + ' ' + (error ?? '') + '\\n');
       }
       clearInterval(beats);
       await kernel.stop();`,
    );
    return spawn(process.execPath, ['--no-warnings', program], { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  it('prints a line per message and ends by itself', async () => {
    const child = agent({ json: true }, 3);
    const [out] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
    const ids = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).id);
    expect(ids).toEqual(['m0', 'm1', 'm2']);
    expect(child.exitCode).toBe(0);
  });

  it('is not done while nobody takes the line, and stays alive meanwhile', async () => {
    const size = 1_000_000;
    const child = agent({}, 2, 'x'.repeat(size));
    let err = '';
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    const reached = async (what: string) => {
      while (!err.includes(what)) await once(child.stderr, 'data');
    };
    await reached('beat\nbeat\nbeat\n');
    expect(err).not.toContain('done');
    const [out] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    expect(out.trimEnd().split('\n')).toHaveLength(2);
    expect(err.match(/done/g)).toHaveLength(2);
  });

  it('fails the message with a clear error when the reader is gone, and the process lives on', async () => {
    const child = agent({}, 3);
    child.stdout.destroy();
    const [err] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    expect(err).toContain('the line could not be written');
    expect(err.match(/^dead/gm)?.length).toBeGreaterThanOrEqual(1);
    expect(child.exitCode).toBe(0);
  });
});

it('is the default export of its own path, for configurations that can only name it', () => {
  expect(fromSubpath.definition).toBe(stdout.definition);
});
