import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Running, Sandbox } from './cleo.test.kit.ts';

const EXAMPLE = fileURLToPath(new URL('../../../examples/wake-coding-agent', import.meta.url));
const FAKE = fileURLToPath(new URL('./wake-coding-agent.test.program.ts', import.meta.url));
/** The tools, and an option that each of them has. */
const OPTIONS: Record<string, string> = {
  claude: '--permission-mode plan',
  codex: '--sandbox read-only',
  opencode: '--model a/b',
};
const TOOLS = Object.keys(OPTIONS);
let box: Sandbox;
let sessions: string;
let env: Record<string, string>;

/** The programs of the example, and stand-ins for its tools in the PATH. */
beforeEach(() => {
  box = new Sandbox();
  box.install('kernel', 'plugin-deliver');
  for (const file of ['run-tool.ts', 'sessions.ts', 'tools.ts', 'wake.ts'])
    cpSync(join(EXAMPLE, file), join(box.cwd, file));
  sessions = join(box.root, 'sessions');
  const bin = join(box.root, 'bin');
  for (const folder of [sessions, bin, join(box.cwd, 'project')]) mkdirSync(folder);
  for (const tool of TOOLS) {
    writeFileSync(
      join(bin, tool),
      `#!/bin/sh\nexec '${process.execPath}' --no-warnings '${FAKE}' ${tool} "$@"\n`,
    );
    chmodSync(join(bin, tool), 0o755);
  }
  const node = join(bin, 'node');
  writeFileSync(node, `#!/bin/sh\nexec '${process.execPath}' "$@"\n`);
  chmodSync(node, 0o755);
  env = { PATH: `${bin}:${process.env.PATH}`, FAKE_SESSIONS: sessions };
});

/** An agent whose messages go to `wake.ts` with these arguments. */
async function wake(args: string): Promise<Running> {
  await box.register('bob');
  return box.start(['bob', '--exec', `node wake.ts ${args}`, '--reply'], { env });
}

/** Sends, and answers what came back. */
async function ask(agent: Running, from: string, content: string): Promise<unknown> {
  return (await agent.event('sent', { id: await box.sendAs(from, 'bob', content) })).content;
}

function runs(): { pid: number; cwd: string; args: string[]; prompt: string }[] {
  return readFileSync(join(sessions, 'log'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const prompt = (from: string, content: string) => `Message from ${from}:\n\n${content}`;

describe.each(TOOLS)('a session of %s', (tool) => {
  it('is resumed by each message of its conversation, and by no other, also after a restart; without it a new one begins', async () => {
    const agent = await wake(`${tool} --dir project`);
    expect(await ask(agent, 'ada', 'one')).toBe(prompt('ada', 'one'));
    expect(await ask(agent, 'eve', 'hers')).toBe(prompt('eve', 'hers'));
    expect(await agent.stop()).toBe(0);

    const again = await box.start(['bob', '--exec', `node wake.ts ${tool} --dir project`, '--reply'], {
      env,
    });
    expect(await ask(again, 'ada', 'two')).toBe(`${prompt('ada', 'one')}\n--\n${prompt('ada', 'two')}`);
    for (const session of readdirSync(sessions)) if (session !== 'log') rmSync(join(sessions, session));
    expect(await ask(again, 'ada', 'three')).toBe(prompt('ada', 'three'));
    expect(await again.stop()).toBe(0);
    expect(new Set(runs().map(({ cwd }) => cwd))).toEqual(new Set([join(box.cwd, 'project')]));
  });

  it('takes the options of the user along, and the words of a stranger as they are, on stdin alone', async () => {
    const option = OPTIONS[tool]!;
    const agent = await wake(`${tool} -- ${option}`);
    const nasty = `--resume x "; touch owned; $(touch owned) \`touch owned\` ' \\ /clear\n-- é 💥`;
    expect(await ask(agent, 'ada', nasty)).toBe(prompt('ada', nasty));
    expect(await ask(agent, 'ada', 'two')).toBe(`${prompt('ada', nasty)}\n--\n${prompt('ada', 'two')}`);
    expect(await agent.stop()).toBe(0);
    expect(readdirSync(box.cwd)).not.toContain('owned');
    for (const { args } of runs()) expect(args.join(' ')).toContain(option);
    expect(JSON.stringify(runs().map(({ args }) => args))).not.toContain('owned');
  });
});

it('sends the beginning of an endless answer, and says that it was cut', async () => {
  const agent = await wake('codex --max-chars 100');
  expect(await ask(agent, 'ada', 'LONG')).toBe(`${'x'.repeat(100)}\n\n[cut here: 999900 more characters]`);
  expect(await agent.stop()).toBe(0);
});

describe('what goes wrong', () => {
  it('with the tool is told with its last words, and the message is tried again', async () => {
    const agent = await wake('claude');
    const id = await box.sendAs('ada', 'bob', 'FAIL');
    const failed = await agent.event('failed', { id });
    expect(failed.error).toContain('the model is overloaded');
    expect(failed.error).toContain('claude failed with exit code 1');
    expect(failed.retryInMs).toEqual(expect.any(Number));
    expect(await agent.stop()).toBe(0);
  });

  it('because the tool is not there says so', async () => {
    const agent = await wake('claude --program no-such-program');
    const failed = await agent.event('failed', { id: await box.sendAs('ada', 'bob', 'hello') });
    expect(failed.error).toContain('no-such-program cannot be run');
    expect(await agent.stop()).toBe(0);
  });

  it('because nobody knows the tool says which there are', async () => {
    const agent = await wake('clod');
    const failed = await agent.event('failed', { id: await box.sendAs('ada', 'bob', 'hello') });
    expect(failed.error).toContain('no such tool: "clod"; there are claude, codex, opencode');
    expect(await agent.stop()).toBe(0);
  });
});

describe('the configuration of the example', () => {
  const configuration = () => readFileSync(join(EXAMPLE, 'cleo.config.ts'), 'utf8');

  it('answers, and only whom it trusts', async () => {
    box.write('cleo.config.ts', configuration());
    const agent = await box.start([], { env: { ...env, WAKE_TRUSTED: 'ada,you' } });
    const stranger = await box.sendAs('eve', 'coder', 'hello');
    expect(await agent.event('dropped', { id: stranger })).toMatchObject({ plugin: 'doorman' });
    const id = await box.sendAs('ada', 'coder', 'hello');
    expect(await agent.event('sent', { id })).toMatchObject({ to: 'ada', content: prompt('ada', 'hello') });
    expect(await agent.stop()).toBe(0);
    expect(runs()).toHaveLength(1);
  });

  it('ends a tool that takes too long, whatever that is doing', async () => {
    const impatient = configuration().replace('timeoutMs: 30 * 60_000', 'timeoutMs: 3_000');
    expect(impatient).not.toBe(configuration());
    box.write('cleo.config.ts', impatient);
    const agent = await box.start([], { env });
    const id = await box.sendAs('ada', 'coder', 'HANG');
    const failed = await agent.event('failed', { id });
    expect(failed.error).toContain('did not end within 3000 ms');
    const [{ pid }] = runs() as [ReturnType<typeof runs>[0]];
    expect(isRunning(pid)).toBe(false);
    expect(await agent.stop()).toBe(0);
  });
});

/** Whether a process is at work; one that has ended and waits to be collected is not. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    if (process.platform !== 'linux') return true;
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !stat.slice(stat.lastIndexOf(')')).startsWith(') Z');
  } catch {
    return false;
  }
}
