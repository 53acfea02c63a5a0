import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Sandbox } from '../cleo.test.kit.ts';

/** What a shell command may hold, and systemd would take for its own. */
const COMMAND = `jq -r ".content" | sed 's/100%/$HOME/' ; printf '\\n\t%s' "ü"`;

describe.skipIf(process.platform !== 'linux')('cleo agent install', () => {
  it('--print shows a unit that systemd reads as it was meant, holds no key, and changes nothing', async () => {
    const box = new Sandbox();
    const cwd = join(box.root, 'a folder, 50%');
    mkdirSync(cwd);
    box.write('key', 'sk_live_of_the_file');
    const env = {
      CLEO_DIR: box.stateDir,
      CLEO_AGENT: 'a+b',
      CLEO_API_URL: 'https://api.example.com',
      CLEO_API_KEY_FILE: '../work/key',
      CLEO_WEBHOOK_SECRET: 'hush',
    };
    const flags = [
      '--exec',
      COMMAND,
      '--exec',
      ';',
      '--webhook',
      'https://h.example',
      '--reply',
      '--no-heartbeat',
    ];
    const { code, lines, stderr } = await box.json(['agent', 'install', '--print', ...flags], { env, cwd });
    expect(code).toBe(0);
    const { content, name } = lines[0] as { content: string; name: string };
    expect(name).toBe('cleo-a\\x2bb.service');
    expect(content).toContain(`\nEnvironment=CLEO_API_KEY_FILE=${join(box.cwd, 'key')}\n`);
    expect(content).toMatch(/\nRestart=always\n(?:.*\n)+RestartPreventExitStatus=2 4 5\n/);
    expect(content).not.toMatch(/hush|sk_live/);
    expect(stderr).toContain('CLEO_WEBHOOK_SECRET is not written down');
    expect(existsSync(join(box.root, 'home'))).toBe(false);
    if (!has('systemd-analyze')) return;
    const { said, dump } = analyzed(box, content);
    expect(said).toBe('');
    const shown = (what: string) => new RegExp(`^\\t+${what}: (.*)$`, 'm').exec(dump)?.[1];
    expect(shown('WorkingDirectory')).toBe(cwd);
    expect(words(shown('Command Line')!)).toEqual([
      process.execPath,
      join(import.meta.dirname, '../bin.js'),
      ...['agent', 'start', 'a+b'],
      ...flags,
    ]);
  });

  it('names the folder of the machine key where the shell has moved it', async () => {
    const box = new Sandbox();
    const print = async (env: Record<string, string>) =>
      (await box.json(['agent', 'install', 'bob', '--print'], { env })).lines[0]!.content;
    await box.register('bob');
    expect(await print({ CLEO_DATA_DIR: '../keys' })).toContain(
      `\nEnvironment=CLEO_DATA_DIR=${box.root}/keys\n`,
    );
    // Where it is by itself.
    const key = join(box.root, 'home/data/cleo');
    cpSync(join(box.root, 'keys'), key, { recursive: true });
    expect(await print({ CLEO_DATA_DIR: '' })).toContain(`\nEnvironment=CLEO_DATA_DIR=${key}\n`);
  });

  it('writes the unit, starts it, and takes both away again', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const env = withFakeSystemctl(box);
    const unit = join(box.root, 'home/config/systemd/user/cleo-bob.service');
    const install = (...flags: string[]) => box.json(['agent', 'install', 'bob', ...flags], { env });

    expect((await install()).lines).toEqual([
      { ok: true, agentId: 'bob', name: 'cleo-bob.service', file: unit, written: true, started: true },
    ]);
    expect(statSync(unit).mode & 0o777).toBe(0o644);
    expect(readFileSync(unit, 'utf8')).toContain('\nRestartSteps=6\n');
    expect(readdirSync(join(unit, '..'))).toEqual(['cleo-bob.service']);

    const other = await install('--stdout');
    expect([other.code, other.lines]).toMatchObject([1, [{ error: { code: 'E_CONFLICT_ALREADY_EXISTS' } }]]);

    const failing = await box.json(['agent', 'install', 'bob', '--stdout', '--force'], {
      env: { ...env, FAIL_AT: 'restart' },
    });
    expect([failing.code, failing.lines]).toMatchObject([
      1,
      [
        {
          error: {
            code: 'E_INSTALL_FAILED',
            message: 'systemctl --user restart cleo-bob.service: Job failed.',
            hint: expect.stringContaining('journalctl --user -u cleo-bob.service'),
          },
        },
      ],
    ]);
    expect(readFileSync(unit, 'utf8')).toContain('agent start bob --stdout\n');

    const gone = await box.json(['agent', 'uninstall', 'bob'], { env });
    expect(gone.lines).toEqual([
      { ok: true, agentId: 'bob', name: 'cleo-bob.service', file: unit, stopped: true },
    ]);
    expect(existsSync(unit)).toBe(false);
    const asked = readFileSync(join(box.root, 'asked'), 'utf8').split('\n');
    expect(asked.filter((line) => /enable|disable|restart|reload/.test(line))).toEqual([
      ...['--user daemon-reload', '--user enable cleo-bob.service', '--user restart cleo-bob.service'],
      ...['--user daemon-reload', '--user enable cleo-bob.service', '--user restart cleo-bob.service'],
      ...['--user disable --now cleo-bob.service', '--user daemon-reload'],
    ]);
    const again = await box.json(['agent', 'uninstall', 'bob'], { env });
    expect([again.code, again.lines]).toMatchObject([4, [{ error: { code: 'E_NOT_FOUND_UNIT' } }]]);
  });

  it('says what to run where the service manager cannot be asked', async () => {
    const box = new Sandbox();
    await box.register('bob');
    const env = { ...withFakeSystemctl(box), FAIL_AT: 'show-environment' };
    const { code, stdout } = await box.cleo(['agent', 'install'], { env });
    expect(code).toBe(0);
    expect(stdout).toContain('\n  systemctl --user enable cleo-bob.service\n');
  });
});

/** A `systemctl` that writes down what it is asked, and fails at one word. */
function withFakeSystemctl(box: Sandbox): Record<string, string> {
  const file = join(box.root, 'bin/systemctl');
  mkdirSync(join(box.root, 'bin'));
  writeFileSync(
    file,
    `#!/bin/sh
echo "$*" >> "${box.root}/asked"
if [ "$1" = --version ]; then echo 'systemd 255 (255.1)'; fi
if [ "$2" = "\${FAIL_AT:-none}" ]; then echo 'Job failed.' >&2; exit 1; fi
`,
  );
  chmodSync(file, 0o755);
  return { PATH: `${box.root}/bin:${process.env.PATH}` };
}

/** What systemd makes of a unit, and what it has to say about it. */
function analyzed(box: Sandbox, content: string): { said: string; dump: string } {
  const file = join(box.root, 'cleo-test.service');
  writeFileSync(file, content);
  const runtime = join(box.root, 'runtime');
  mkdirSync(runtime, { mode: 0o700 });
  const env = { ...box.env, XDG_RUNTIME_DIR: runtime };
  const verify = (more: NodeJS.ProcessEnv) =>
    execFileSync(
      'sh',
      ['-c', 'systemd-analyze verify --user --man=no "$1" 2>"$2"', 'sh', file, `${file}.said`],
      {
        env: { ...env, ...more },
        encoding: 'utf8',
      },
    );
  verify({});
  const said = readFileSync(`${file}.said`, 'utf8');
  return { said, dump: verify({ SYSTEMD_LOG_LEVEL: 'debug' }) };
}

/** The words of a command line as systemd shows it, after the last step: a `$` that stands twice is one. */
function words(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, plain]) =>
    (quoted ?? plain)!
      .replaceAll(/(?:\\[0-7]{3})+/g, (bytes) =>
        Buffer.from(
          bytes
            .split('\\')
            .slice(1)
            .map((one) => Number.parseInt(one, 8)),
        ).toString(),
      )
      .replaceAll(/\\(.)/g, (_, one: string) => ({ n: '\n', t: '\t' })[one] ?? one)
      .replaceAll('$$', '$'),
  );
}

function has(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
