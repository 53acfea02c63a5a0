import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Sandbox } from '../cleo.test.kit.ts';

const read = (box: Sandbox, file: string) => readFileSync(join(box.cwd, file), 'utf8');

describe('cleo init', () => {
  it('writes a configuration whose agent answers, where the kernel can be imported', async () => {
    const box = new Sandbox();
    box.installKernel();
    const { code, stdout } = await box.cleo(['init', '--id', 'bob']);
    expect([code, stdout]).toEqual([0, expect.stringContaining('Start it:        cleo agent start\n')]);
    expect(read(box, 'cleo.config.ts')).toMatchSnapshot();
    expect(read(box, '.gitignore')).toBe('.cleo/\n');
    const agent = await box.start([]);
    await agent.event('done', { id: await box.sendAs('ada', 'bob', 'hello') });
    expect(await (await box.dock()).peek('ada')).toMatchObject([{ content: 'You said: hello' }]);
    expect(await agent.stop()).toBe(0);
  });

  it('writes one that works without any package, and says what to install for more', async () => {
    const box = new Sandbox();
    const { stdout } = await box.cleo(['init']);
    expect(stdout).toContain('npm install @cleocode/kernel');
    expect(read(box, 'cleo.config.ts')).toMatchSnapshot();
    const agent = await box.start([]);
    expect(agent.events[0]).toMatchObject({ agentId: 'work' });
    await agent.event('done', { id: await box.sendAs('ada', 'work', 'hello') });
    expect(await agent.stop()).toBe(0);
  });

  it('touches nothing that is there already', async () => {
    const box = new Sandbox();
    box.write('cleo.config.ts', "export default { agent: 'ada' };\n");
    box.write('.gitignore', 'node_modules');
    const { lines } = await box.json(['init']);
    expect(lines).toEqual([
      {
        ok: true,
        agentId: 'ada',
        config: { file: join(box.cwd, 'cleo.config.ts'), written: false },
        gitignore: true,
        registered: true,
        stateDir: box.stateDir,
      },
    ]);
    expect(read(box, 'cleo.config.ts')).toBe("export default { agent: 'ada' };\n");
    expect(read(box, '.gitignore')).toBe('node_modules\n.cleo/\n');
    expect((await box.json(['init'])).lines).toMatchObject([
      { ok: true, gitignore: false, registered: false },
    ]);
    expect(read(box, '.gitignore')).toBe('node_modules\n.cleo/\n');
  });

  it('refuses an id that is none before it writes anything', async () => {
    const box = new Sandbox();
    const { code } = await box.cleo(['init', '--id', 'a/b']);
    expect(code).toBe(2);
    expect(existsSync(join(box.cwd, 'cleo.config.ts'))).toBe(false);
  });
});
