import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Sandbox } from '../cleo.test.kit.ts';

const packages = join(import.meta.dirname, '../../..');
const installed = {
  '@cleocode/contracts': join(packages, 'contracts'),
  '@cleocode/kernel': join(packages, 'kernel'),
  zod: join(packages, 'kernel/node_modules/zod'),
};

describe('cleo plugin new', () => {
  it.for([
    {
      kind: 'plugin',
      args: ['answer-twice'],
      folder: 'cleo-plugin-answer-twice',
      name: 'cleo-plugin-answer-twice',
    },
    { kind: 'transport', args: ['@acme/pigeon', '--transport'], folder: 'pigeon', name: '@acme/pigeon' },
  ])('writes a $kind that passes its tests', async ({ kind, args, folder, name }) => {
    const box = new Sandbox();
    const { lines } = await box.json(['plugin', 'new', ...args]);
    const dir = join(box.cwd, folder);
    expect(lines).toEqual([{ ok: true, name, kind, dir, files: expect.arrayContaining(['package.json']) }]);
    const files = (lines[0] as { files: string[] }).files;
    expect(files).toEqual(readAll(dir));
    for (const file of files)
      expect(readFileSync(join(dir, file), 'utf8'), file).not.toMatch(/template|year holder/i);
    expect(JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')).name).toBe(name);

    for (const [dependency, target] of Object.entries(installed)) {
      const link = join(dir, 'node_modules', dependency);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(realpathSync(target), link);
    }
    // `pnpm check:packages` does it with npm, and builds and packs it too.
    await promisify(execFile)(process.execPath, ['--test', 'src/**/*.test.ts'], {
      cwd: dir,
      env: box.env,
    }).catch(({ message, stdout }: { message: string; stdout: string }) => {
      throw new Error(`${message}\n${stdout}`);
    });
  });

  it('touches nothing in a folder that is not empty, and says how to go on', async () => {
    const box = new Sandbox();
    box.write('there/notes.txt', 'mine');
    const { code, stderr } = await box.cleo(['plugin', 'new', 'answer', '--dir', 'there']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('is not empty\n  → Choose another folder')]);
    expect(readdirSync(join(box.cwd, 'there'))).toEqual(['notes.txt']);
  });

  it('refuses a name that npm would, with one it would take', async () => {
    const box = new Sandbox();
    const { code, lines } = await box.json(['plugin', 'new', 'My Plugin']);
    expect(code).toBe(2);
    expect(lines).toEqual([
      {
        ok: false,
        error: {
          code: 'E_USAGE',
          message: expect.any(String),
          hint: expect.stringContaining(': my-plugin.'),
        },
      },
    ]);
    expect(existsSync(join(box.cwd, 'cleo-plugin-My Plugin'))).toBe(false);
  });
});

function readAll(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();
}
