import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { resolveStateDir } from '@cleocode/kernel';
import { openStore } from '@cleocode/store';
import { describe, expect, it } from 'vitest';
import { BIN, Sandbox } from '../cleo.test.kit.ts';
import { agentIds } from '../completion/agent-ids.ts';
import { SCRIPTS, SHELLS } from '../completion/scripts.ts';

const LINES = [
  ['cleo', 'agent', 'st'],
  ['cleo', 'agent', 'send', '--to', '='],
  ['cleo', 'agent', 'send', '--to', '=', 'e'],
  ['cleo', '--config', 'cleo.c'],
  ['cleo', '-C', 'a'],
];

describe('cleo completion', () => {
  it('teaches a real bash commands, agents, files and folders', async () => {
    const box = new Sandbox();
    await box.register('bob', 'eve');
    box.write('cleo.config.ts', '');
    box.write('a folder/file', '');
    const bin = join(box.root, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'cleo'), `#!/bin/sh\nexec '${process.execPath}' '${BIN}' "$@"\n`);
    chmodSync(join(bin, 'cleo'), 0o755);
    const asks = LINES.map((words) => `ask ${words.map((word) => `'${word}'`).join(' ')}`);
    const script = `source <(cleo completion bash)
ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cleo; (IFS=,; echo "\${COMPREPLY[*]}"); }
${asks.join('\n')}
complete -p cleo`;
    const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', script], {
      cwd: box.cwd,
      env: { ...box.env, PATH: `${bin}:${process.env.PATH}` },
      encoding: 'utf8',
    });
    expect(stdout.split('\n')).toEqual([
      'start,stop,status',
      'bob,eve',
      'eve',
      'cleo.config.ts',
      'a folder',
      'complete -F _cleo cleo',
      '',
    ]);
    expect(stderr).toBe('');
  });

  it.for(['zsh', 'fish'] as const)('is a script that %s can read, where there is one', (shell, { skip }) => {
    if (spawnSync(shell, ['--version']).status !== 0) skip(`${shell} is not installed here`);
    const { status, stderr } = spawnSync(shell, ['-n'], { input: SCRIPTS[shell], encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });

  it('knows no other shell', async () => {
    const { code, lines } = await new Sandbox().json(['completion', 'csh']);
    expect([code, lines]).toMatchObject([
      2,
      [{ error: { code: 'E_USAGE', message: expect.stringContaining(SHELLS.join(', ')) } }],
    ]);
  });
});

describe('what a shell asks', () => {
  it('is answered without an error and without a trace, whatever is there', async () => {
    const box = new Sandbox();
    const ask = ['__complete', '--', 'agent', 'poll', ''];
    const none = { code: 0, stdout: ':none\n', stderr: '' };
    expect(await box.cleo(ask)).toEqual(none);
    expect(existsSync(box.stateDir)).toBe(false);
    box.write('.cleo/state.db', 'no database');
    expect(await box.cleo(ask, { env: { CLEO_OUTPUT: 'nonsense' } })).toEqual(none);
  });

  it('knows the agents that the store knows, from wherever it looks', async () => {
    const box = new Sandbox();
    await box.register('eve', 'bob', 'ada');
    const store = await openStore({ dir: box.stateDir, dataDir: box.env.CLEO_DATA_DIR });
    const known = (await store.registry.list()).map(({ agentId }) => agentId);
    await store.close();
    mkdirSync(join(box.cwd, 'deep/er'), { recursive: true });
    for (const [cwd, env] of [
      [box.cwd, {}],
      [join(box.cwd, 'deep/er'), {}],
      [box.root, { CLEO_DIR: 'work/.cleo' }],
    ] as const) {
      expect(resolveStateDir(cwd, env)).toBe(box.stateDir);
      expect(agentIds(cwd, env)).toEqual(known.sort());
    }
    expect(agentIds(box.root, {})).toEqual([]);
  });
});
