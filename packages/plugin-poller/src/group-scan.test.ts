import { type Journal, WireError } from '@cleocode/contracts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { GroupScan } from './group-scan.ts';
import { FakeInbox } from './inboxes.test.kit.ts';
import { GroupTransport, RecordingTransport } from './transports.test.kit.ts';

let transport: GroupTransport;
let inbox: FakeInbox;
let stored: Map<string, number>;
let reports: string[];
const signal = new AbortController().signal;

const cursors: Pick<Journal, 'getCursor' | 'setCursor'> = {
  getCursor: (name) => stored.get(name),
  setCursor: (name, value) => {
    stored.set(name, value);
  },
};

beforeEach(() => {
  transport = new GroupTransport();
  inbox = new FakeInbox();
  stored = new Map();
  reports = [];
});

function follow(...groups: string[]): GroupScan {
  const scan = new GroupScan({
    agentId: 'bot',
    transport,
    inbox,
    cursors,
    groups,
    groupPollLimit: 15,
    timeoutMs: 1_000,
    reporter: {
      failing: (part, error) => reports.push(`${part}: ${(error as { code: string }).code}`),
      recovered: (part) => reports.push(`${part}: works`),
    },
  });
  inbox.observe((event) => {
    if (event.type === 'done') scan.settled(event.message);
  });
  return scan;
}

/** Cycles until caught up, as the intake does. */
async function catchUp(scan: GroupScan, inOrder = (_conversation: string) => true): Promise<void> {
  while (scan.deliver(await scan.read(signal), inOrder)) await scan.save();
  await scan.save();
}

describe('what reaches the agent', () => {
  it('is what mentions it or everyone, and is not its own', async () => {
    stored.set('group:g', 0);
    transport.say('g', 'hello @bot');
    transport.say('g', 'hello @all');
    transport.say('g', 'hello @bot-prime');
    transport.say('g', 'nothing for you');
    transport.say('g', 'I am @bot', { from: 'bot' });
    await catchUp(follow('g'));
    expect(inbox.contents).toEqual(['hello @bot', 'hello @all']);
    expect(inbox.pages[0]!.source).toEqual({ name: 'group', ackable: false });
  });

  it('waits while older copies of its conversation may be unread, and then comes', async () => {
    stored.set('group:g', 0);
    stored.set('group:h', 0);
    transport.say('g', '@bot 1');
    transport.say('h', '@bot 2');
    const scan = follow('g', 'h');
    await catchUp(scan, (conversation) => conversation !== 'g');
    expect(inbox.contents).toEqual(['@bot 2']);
    await catchUp(scan);
    expect(inbox.contents).toEqual(['@bot 2', '@bot 1']);
  });

  it('is worth another look when the inbox has finished half of what it has', async () => {
    stored.set('group:g', 0);
    inbox.capacity = 4;
    const mentions = Array.from({ length: 6 }, (_, n) => transport.say('g', `@bot ${n}`));
    const scan = follow('g');
    await catchUp(scan);
    expect(mentions.slice(0, 3).map((message) => scan.settled(message))).toEqual([false, true, false]);
  });

  it('comes in order and whole after a burst of 500 between two looks', async () => {
    const scan = follow('g');
    await catchUp(scan);
    for (let n = 0; n < 500; n++) transport.say('g', `@bot ${n}`);
    await catchUp(scan);
    expect(inbox.contents).toEqual(Array.from({ length: 500 }, (_, n) => `@bot ${n}`));
  });
});

describe('a group followed for the first time', () => {
  it('begins with its newest messages', async () => {
    for (let n = 0; n < 40; n++) transport.say('g', `@bot ${n}`);
    await catchUp(follow('g'));
    expect(inbox.contents).toEqual(Array.from({ length: 15 }, (_, n) => `@bot ${n + 25}`));
    expect(transport.fetched[0]).toMatchObject({ ids: ['g'], options: { limit: 15 } });
  });

  it('has its beginning persisted before anything is handed over', async () => {
    for (let n = 0; n < 40; n++) transport.say('g', `@bot ${n}`);
    await follow('g').read(signal);
    expect(stored.get('group:g')).toBe(25);
    expect(inbox.taken).toHaveLength(0);
  });

  it('goes on from there after a crash, however much was said since', async () => {
    for (let n = 0; n < 20; n++) transport.say('g', `@bot ${n}`);
    await follow('g').read(signal);
    for (let n = 20; n < 60; n++) transport.say('g', `@bot ${n}`);
    await catchUp(follow('g'));
    expect(inbox.contents).toEqual(Array.from({ length: 55 }, (_, n) => `@bot ${n + 5}`));
  });
});

describe('the persisted cursor', () => {
  it('stays before a mention until the inbox has finished it', async () => {
    stored.set('group:g', 0);
    transport.say('g', 'chatter');
    const mention = transport.say('g', '@bot');
    transport.say('g', 'chatter');
    const scan = follow('g');
    await catchUp(scan);
    expect(stored.get('group:g')).toBe(1);
    inbox.finish(mention);
    await scan.save();
    expect(stored.get('group:g')).toBe(3);
  });

  it('does not pass a mention that the inbox turned away, which is read again', async () => {
    stored.set('group:g', 0);
    stored.set('group:h', 0);
    transport.say('g', '@bot 1');
    transport.say('h', '@bot 2');
    transport.say('g', '@bot 3');
    inbox.stuck.add('g');
    const scan = follow('g', 'h');
    expect(scan.deliver(await scan.read(signal), () => true)).toBe(false);
    expect(inbox.contents).toEqual(['@bot 2']);
    inbox.stuck.clear();
    await catchUp(scan);
    expect(inbox.contents).toEqual(['@bot 2', '@bot 1', '@bot 3']);
    for (const message of inbox.taken) inbox.finish(message);
    await scan.save();
    expect(Object.fromEntries(stored)).toEqual({ 'group:g': 3, 'group:h': 3 });
  });

  it('is tried again when it could not be written, and that is said once', async () => {
    stored.set('group:g', 0);
    transport.say('g', 'chatter');
    const scan = follow('g');
    const write = vi.spyOn(cursors, 'setCursor').mockRejectedValue(new WireError('E_INTERNAL_ERROR', 'full'));
    await catchUp(scan);
    await scan.save();
    write.mockRestore();
    await scan.save();
    expect(reports).toEqual(['group cursors: E_INTERNAL_ERROR', 'group cursors: works']);
    expect(stored.get('group:g')).toBe(1);
  });
});

describe('requests', () => {
  it('are one for all groups that stand at the same position, from the second cycle on', async () => {
    const groups = Array.from({ length: 50 }, (_, n) => `g${n}`);
    for (const group of groups) transport.say(group, 'welcome');
    const scan = follow(...groups);
    await catchUp(scan);
    await catchUp(scan);
    transport.fetched.length = 0;
    transport.say('g7', '@bot');
    await catchUp(scan);
    expect(transport.fetched).toHaveLength(1);
    expect(inbox.contents).toEqual(['@bot']);
  });

  it('never skip a message of a group that was behind while another ran ahead', async () => {
    stored.set('group:a', 0);
    stored.set('group:b', 0);
    const scan = follow('a', 'b');
    for (let n = 0; n < 600; n++) transport.say(n % 3 === 0 ? 'a' : 'b', `@bot ${n}`);
    await catchUp(scan);
    expect(inbox.contents).toEqual(Array.from({ length: 600 }, (_, n) => `@bot ${n}`));
  });

  it('go on for the other groups when one is gone', async () => {
    for (const group of ['a', 'b', 'gone']) stored.set(`group:${group}`, 0);
    transport.beforeFetch = (ids) => {
      if (ids.includes('gone'))
        throw new WireError('E_NOT_FOUND_CONVERSATION', 'Conversation not found: gone');
    };
    transport.say('a', '@bot 1');
    transport.say('b', '@bot 2');
    const scan = follow('a', 'gone', 'b');
    await catchUp(scan);
    await catchUp(scan);
    expect(inbox.contents).toEqual(['@bot 1', '@bot 2']);
    expect(reports).toEqual(['group gone: E_NOT_FOUND_CONVERSATION']);
    transport.fetched.length = 0;
    await catchUp(scan);
    expect(transport.fetched.flatMap(({ ids }) => ids)).not.toContain('gone');
  });

  describe('that fail', () => {
    beforeEach(() => {
      vi.useFakeTimers({ toFake: ['performance'] });
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    it('are waited out and reported once', async () => {
      stored.set('group:g', 0);
      transport.say('g', '@bot');
      transport.beforeFetch = () => {
        throw new WireError('E_INTERNAL_SERVICE', 'down');
      };
      const scan = follow('g');
      await catchUp(scan);
      await catchUp(scan);
      expect(transport.fetched).toHaveLength(1);
      transport.beforeFetch = () => {};
      vi.advanceTimersByTime(1_001);
      await catchUp(scan);
      expect(inbox.contents).toEqual(['@bot']);
      expect(reports).toEqual(['groups: E_INTERNAL_SERVICE', 'groups: works']);
    });
  });
});

it('says so once and stands down when the transport cannot read conversations', async () => {
  transport = new RecordingTransport() as GroupTransport;
  const scan = follow('g');
  expect(await scan.read(signal)).toEqual([]);
  expect(await scan.read(signal)).toEqual([]);
  expect(reports).toEqual(['groups: E_GROUPS_UNSUPPORTED']);
});
