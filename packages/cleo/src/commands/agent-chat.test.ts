import { spawn, spawnSync } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import type { Dock } from '@cleocode/signaldock';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BIN, Running, Sandbox } from '../cleo.test.kit.ts';

const BY_NOBODY = /prime is not running here: messages wait for it. Start it: cleo agent start prime/;

describe('cleo agent chat, without a terminal', () => {
  it.for(['the embedded backend', 'a server'])(
    'sends each line and shows the answers, at %s',
    async (where) => {
      const box = new Sandbox();
      const at = where === 'a server' ? await box.server() : { url: 'local:', dock: await box.dock() };
      await box.registerAt(at, 'ann');
      await at.dock.registerAgent({ agentId: 'prime' });
      await at.dock.registerAgent({ agentId: 'eve' });
      await at.dock.heartbeat('prime', { status: 'online' });
      await at.dock.send('eve', 'ann', { content: 'from elsewhere' });
      answers(at.dock, 'prime');
      const { code, lines, stderr } = await box.json(
        ['agent', 'chat', 'prime', '--agent', 'ann', '--wait', '60'],
        {
          input: 'one\n\ntwo',
        },
      );
      const conversationId = lines[0]!.conversationId;
      expect(lines.filter(({ event }) => event === 'sent')).toEqual(
        ['one', 'two'].map((content) => ({
          event: 'sent',
          id: expect.any(String),
          to: 'prime',
          content,
          conversationId,
        })),
      );
      expect(lines.filter(({ event }) => event === 'reply')).toMatchObject([
        { from: 'prime', content: 'heard one', threadId: conversationId, replyTo: lines[0]!.id },
        { from: 'prime', content: 'heard two' },
      ]);
      expect(lines.at(-1)).toEqual({ ok: true, conversationId, sent: 2, answered: 2 });
      expect([code, stderr]).toEqual([0, '']);
      const unread = await at.dock.peek('ann', {});
      expect(unread.map(({ content }) => content)).toEqual(['from elsewhere']);
    },
  );

  it('goes on with the conversation: what is unread is shown first, and more of it with --history', async () => {
    const box = new Sandbox();
    await box.register('ann', 'prime');
    const dock = await box.dock();
    const { id: asked } = await dock.send('ann', 'prime', { content: 'asked before' });
    await dock.send('prime', 'ann', { content: 'answered since', replyTo: asked });
    const { lines, stderr } = await box.json(['agent', 'chat', 'prime', '--agent', 'ann']);
    expect(lines).toMatchObject([
      { event: 'reply', content: 'answered since', replyTo: asked },
      { ok: true, sent: 0, answered: 0 },
    ]);
    expect(stderr).toMatch(BY_NOBODY);
    const again = await box.cleo(['agent', 'chat', 'prime', '--agent', 'ann', '--history', '5'], {
      input: 'and now?\n/quit\nnot sent\n',
    });
    expect(again.stdout).toBe('> ann: asked before\n← prime: answered since\n');
    expect((await dock.peek('prime', {})).map(({ content }) => content)).toEqual([
      'asked before',
      'and now?',
    ]);
  });

  it('says what did not come, and fails on what cannot be sent', async () => {
    const box = new Sandbox();
    await box.register('prime');
    await (await box.dock()).heartbeat('prime', { status: 'online' });
    const silent = await box.cleo(['agent', 'chat', 'prime', '--wait', '0.1'], { input: 'anybody?\n' });
    expect([silent.code, silent.stdout]).toEqual([0, '']);
    expect(silent.stderr).toContain('No answer to 1 of 1 within 0.1 s. Wait longer: --wait 60\n');
    const unknown = await box.json(['agent', 'chat', 'nobody'], { input: 'hello\n' });
    expect([unknown.code, unknown.lines]).toMatchObject([
      4,
      [{ ok: false, error: { code: 'E_NOT_FOUND_AGENT' } }],
    ]);
    const self = await box.json(['agent', 'chat', 'prime', '--agent', 'prime'], { input: 'hello\n' });
    expect([self.code, self.lines]).toMatchObject([
      2,
      [{ error: { message: 'prime cannot talk to itself' } }],
    ]);
  });
});

/** Of util-linux: gives a process a terminal. */
const SCRIPT = 'script';
const hasTerminal = spawnSync(SCRIPT, ['--version']).stdout?.includes('util-linux') ?? false;

describe.runIf(hasTerminal)('cleo agent chat, on a terminal', () => {
  it('shows replies above what is being typed, sends a paste as one message, and gives the terminal back', async () => {
    const box = new Sandbox();
    await box.register('ann');
    const dock = await box.dock();
    await dock.registerAgent({ agentId: 'prime' });
    await dock.heartbeat('prime', { status: 'online' });
    const command = `stty cols 80 rows 24; exec ${process.execPath} ${BIN} agent chat prime --agent ann`;
    const child = spawn(SCRIPT, ['-qefc', command, '/dev/null'], {
      cwd: box.cwd,
      env: { ...box.env, TERM: 'xterm', COLUMNS: '80' },
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const { stdin } = child;
    const chat = new Running(child, null);
    const shown = () => stripVTControlCharacters(chat.stdout);
    await chat.until('a prompt', () => /\n> $/.test(shown()) || undefined);
    stdin.write('half a li');
    await chat.until('what was typed', () => shown().endsWith('half a li') || undefined);
    await dock.send('prime', 'ann', { content: 'meanwhile\x1b[2J' });
    await chat.until(
      'a reply, and the line again',
      () => shown().endsWith('← prime: meanwhile\r\n> half a li') || undefined,
    );
    stdin.write('ne\r');
    const heard = () => dock.peek('prime', {});
    await expect.poll(heard).toMatchObject([{ content: 'half a line' }]);
    stdin.write('\x1b[200~first\rsecond\x1b[201~');
    stdin.write(' and more\r');
    await expect.poll(heard).toMatchObject([{}, { content: 'first\nsecond and more' }]);
    stdin.write('\x04');
    expect((await chat.exit).code).toBe(0);
    expect(chat.stdout).toContain('\x1b[?2004h');
    expect(chat.stdout.lastIndexOf('\x1b[?2004l')).toBeGreaterThan(chat.stdout.lastIndexOf('\x1b[?2004h'));
    expect(await dock.peek('ann', {})).toEqual([]);
  });
});

/** Answers every message to the agent. */
function answers(dock: Dock, agentId: string): void {
  onTestFinished(
    dock.onMessages(agentId, ({ id, fromAgentId, content }) => {
      void dock.send(agentId, fromAgentId, { content: `heard ${content}`, replyTo: id });
    }),
  );
}
