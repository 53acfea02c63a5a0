import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import type { ConduitMessage, InboxEvent } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import { createKernel, createLogger, type Kernel } from '@cleocode/kernel';
import fromSubpath from '@cleocode/plugin-deliver/file';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fileName } from './file-name.ts';
import { type FileOptions, file } from './index.ts';
import { useFolder } from './process.test.kit.ts';

const folder = useFolder();
let kernel: Kernel | undefined;
let events: InboxEvent[];
let inbox: string;

beforeEach(() => {
  events = [];
  inbox = folder.file('inbox');
});

afterEach(async () => {
  await kernel?.stop();
  kernel = undefined;
});

async function start(options: FileOptions = { dir: inbox }): Promise<Kernel> {
  const made = createKernel({
    agent: 'bot',
    transport: new MockTransport(),
    plugins: [file(options)],
    inbox: { retryBaseMs: 1, maxAttempts: 2 },
    logger: createLogger('error', () => {}),
  });
  await made.start();
  kernel = made;
  kernel.inbox.observe((event) => events.push(event));
  return kernel;
}

function message(more: Partial<ConduitMessage> = {}): ConduitMessage {
  return { id: 'm1', from: 'alice', content: 'two\nlines', timestamp: '2026-01-01T00:00:00Z', ...more };
}

const errors = () => events.flatMap((event) => (event.type === 'failed' ? [event.error] : []));

describe('a message', () => {
  it('is one JSON file of its own, for the owner only', async () => {
    const agent = await start();
    expect(await agent.dispatch(message({ threadId: 't1' }))).toEqual({ status: 'done' });
    expect(readdirSync(inbox)).toEqual(['m1.json']);
    expect(JSON.parse(readFileSync(`${inbox}/m1.json`, 'utf8'))).toEqual(message({ threadId: 't1' }));
    expect([inbox, `${inbox}/m1.json`].map((path) => statSync(path).mode & 0o777)).toEqual([0o700, 0o600]);
  });

  it('whose id is a path stays in the folder', async () => {
    const agent = await start();
    const id = '../../outside';
    expect(await agent.dispatch(message({ id }))).toEqual({ status: 'done' });
    expect(readdirSync(inbox)).toEqual([fileName(id)]);
    expect(readdirSync(folder.path)).toEqual(['inbox']);
    expect(JSON.parse(readFileSync(`${inbox}/${fileName(id)}`, 'utf8'))).toMatchObject({ id });
  });

  it('that comes again is the same file again', async () => {
    await (await start()).dispatch(message());
    await kernel?.stop();
    expect(await (await start()).dispatch(message())).toEqual({ status: 'done' });
    expect(readdirSync(inbox)).toEqual(['m1.json']);
    expect(JSON.parse(readFileSync(`${inbox}/m1.json`, 'utf8'))).toEqual(message());
  });

  it('is tried again while it cannot be written, and leaves nothing half behind', async () => {
    const agent = await start();
    mkdirSync(`${inbox}/m1.json`);
    expect(await agent.dispatch(message())).toMatchObject({ status: 'dead', attempts: 2 });
    expect(errors()[0]).toMatchObject({
      code: 'E_FILE_WRITE',
      message: expect.stringMatching(/^file: m1\.json could not be written to .*inbox: EISDIR/),
      hint: expect.stringContaining('disk'),
      cause: { code: 'EISDIR' },
    });
    expect(readdirSync(inbox)).toEqual(['m1.json']);
  });
});

describe('the folder', () => {
  it('keeps the agent from starting when it cannot be made', async () => {
    writeFileSync(inbox, 'a file, not a folder');
    await expect(start()).rejects.toMatchObject({
      cause: {
        code: 'E_FILE_WRITE',
        message: expect.stringMatching(/^file: .*inbox cannot be used: EEXIST/),
        cause: { code: 'EEXIST' },
      },
    });
  });

  it('keeps the rights it has', async () => {
    mkdirSync(inbox);
    chmodSync(inbox, 0o755);
    await start();
    expect(statSync(inbox).mode & 0o777).toBe(0o755);
  });

  it('must be named', async () => {
    for (const options of [{}, { dir: ' ' }, { dir: 'x', reply: true }])
      await expect(start(options as FileOptions)).rejects.toMatchObject({ code: 'E_PLUGIN_OPTIONS' });
  });
});

describe('a process that is killed', () => {
  /** Runs an agent for one message in which `hook`, code that sees `fs`, comes first. */
  function agent(hook: string) {
    const module = (name: string) => JSON.stringify(import.meta.resolve(name));
    const program = folder.file('agent.mjs');
    writeFileSync(
      program,
      `import { syncBuiltinESMExports } from 'node:module';
       import fs from 'node:fs/promises';
       ${hook}
       syncBuiltinESMExports();
       const { createKernel } = await import(${module('@cleocode/kernel')});
       const { MockTransport } = await import(${module('@cleocode/contracts/testing')});
       const { file } = await import(${module('@cleocode/plugin-deliver')});
       const kernel = createKernel({
         agent: 'bot',
         transport: new MockTransport(),
         plugins: [file({ dir: ${JSON.stringify(inbox)} })],
       });
       await kernel.start();
       await kernel.dispatch(${JSON.stringify(message())});
       await kernel.stop();`,
    );
    return spawnSync(process.execPath, ['--no-warnings', program], { encoding: 'utf8', timeout: 30_000 });
  }

  it('between writing and renaming leaves no file of that name, and the message comes whole the next time', async () => {
    const killed = agent("fs.rename = () => { process.kill(process.pid, 'SIGKILL'); };");
    expect(killed.signal).toBe('SIGKILL');
    const [left, ...others] = readdirSync(inbox);
    expect(left).toMatch(/^\.cleo-[0-9a-f]{16}\.tmp$/);
    expect(others).toEqual([]);

    const survivor = await start();
    expect(await survivor.dispatch(message())).toEqual({ status: 'done' });
    expect(JSON.parse(readFileSync(`${inbox}/m1.json`, 'utf8'))).toEqual(message());
    // Another process may still be writing what is fresh.
    expect(existsSync(`${inbox}/${left}`)).toBe(true);
    await survivor.stop();

    const twoHoursAgo = Date.now() / 1_000 - 7_200;
    utimesSync(`${inbox}/${left}`, twoHoursAgo, twoHoursAgo);
    utimesSync(`${inbox}/m1.json`, twoHoursAgo, twoHoursAgo);
    await start();
    expect(readdirSync(inbox)).toEqual(['m1.json']);
  });

  it('has put the content on disk before the name, and the name before it was done', () => {
    const { stdout } = agent(`
      const { open, rename } = fs;
      fs.open = async (path, ...rest) => {
        const handle = await open(path, ...rest);
        const sync = handle.sync.bind(handle);
        handle.sync = () => { console.log('sync', path.endsWith('.tmp') ? 'content' : 'folder'); return sync(); };
        return handle;
      };
      fs.rename = (...paths) => { console.log('rename'); return rename(...paths); };`);
    expect(stdout).toBe('sync content\nrename\nsync folder\n');
  });
});

it('is the default export of its own path, for configurations that can only name it', () => {
  expect(fromSubpath.definition).toBe(file.definition);
});
