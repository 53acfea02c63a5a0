import { CleoError, type Realtime, type RealtimeState, WireError } from '@cleocode/contracts';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { FakeInbox } from './inboxes.test.kit.ts';
import { Intake, type IntakeOptions } from './intake.ts';
import { GroupTransport, PushingTransport, RecordingTransport } from './transports.test.kit.ts';

let inbox: FakeInbox;
let abort: AbortController;
let running: Promise<void> | undefined;
let reports: string[];
let intake: Intake;

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'performance'],
  });
  inbox = new FakeInbox();
  abort = new AbortController();
  reports = [];
});

afterEach(async () => {
  abort.abort(new Error('over'));
  await running;
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function start(transport: RecordingTransport, options: Partial<IntakeOptions> = {}): void {
  intake = new Intake({
    agentId: 'bot',
    transport,
    inbox,
    intervalMs: 5_000,
    liveIntervalMs: 30_000,
    timeoutMs: 10_000,
    groups: [],
    groupPollLimit: 15,
    cursors: { getCursor: () => undefined, setCursor: () => {} },
    reporter: {
      failing: (part, error) => reports.push(`${part}: ${(error as { code?: string }).code}`),
      recovered: (part) => reports.push(`${part}: works`),
    },
    ...options,
  });
  running = intake.run(abort.signal);
}

/** A stream whose state the test sets. */
function stream(state: RealtimeState) {
  const listeners = new Set<(state: RealtimeState) => void>();
  const realtime = {
    state,
    lastReceiveAgeMs: undefined,
    onChange(listener: (state: RealtimeState) => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const change = (next: RealtimeState) => {
    realtime.state = next;
    for (const listener of listeners) listener(next);
  };
  return { realtime: realtime as Realtime, change, listeners };
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe('cycles', () => {
  it('begin at once and follow each other by the interval, give or take a fifth', async () => {
    const transport = new RecordingTransport();
    start(transport);
    await pass(0);
    expect(transport.polls).toBe(1);
    await pass(3_999);
    expect(transport.polls).toBe(1);
    await pass(2_002);
    expect(transport.polls).toBe(2);
    await pass(600_000);
    expect(transport.polls).toBeGreaterThan(110);
    expect(transport.polls).toBeLessThan(135);
  });

  it('begin again at once after the host slept, and read from the beginning', async () => {
    const transport = new RecordingTransport();
    transport.deliver();
    start(transport);
    await pass(0);
    expect(transport.polls).toBe(1);
    vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 60_000);
    await pass(501);
    vi.restoreAllMocks();
    expect(transport.polls).toBe(2);
    expect(transport.polled[1]).not.toHaveProperty('afterSeq');
  });

  it('never overlap, however slow the backend is', async () => {
    const transport = new RecordingTransport();
    transport.beforePoll = () => new Promise((resolve) => setTimeout(resolve, 9_000));
    start(transport, { intervalMs: 100 });
    await pass(60_000);
    expect(transport.polls).toBeGreaterThan(5);
    expect(transport.mostConcurrent).toBe(1);
    abort.abort();
    await pass(9_000);
  });

  it('bring what is new', async () => {
    const transport = new RecordingTransport();
    start(transport);
    transport.deliver({ content: 'one' });
    await pass(6_000);
    transport.deliver({ content: 'two' });
    await pass(6_000);
    expect(inbox.contents).toEqual(['one', 'two']);
  });

  it('end with their signal, and with them the request in flight', async () => {
    const transport = new RecordingTransport();
    let seen: AbortSignal | undefined;
    transport.beforePoll = ({ signal }) => {
      seen = signal;
      return new Promise(() => {});
    };
    start(transport);
    await pass(0);
    abort.abort(new Error('over'));
    await running;
    expect(seen?.aborted).toBe(true);
  });

  it('come every second while a backend without cursors shows a full window', async () => {
    const transport = new RecordingTransport();
    const many = Array.from({ length: 5_000 }, (_, n) => ({
      ...transport.deliver(),
      id: `${n}`,
      seq: undefined,
    }));
    transport.poll = async ({ limit } = {}) => {
      transport.polls += 1;
      return many.slice(0, limit);
    };
    start(transport);
    await pass(10_500);
    expect(transport.polls).toBeGreaterThan(8);
    expect(transport.polls).toBeLessThan(13);
  });

  it('come at once when the inbox has room again for what it turned away', async () => {
    const transport = new RecordingTransport();
    inbox.stuck.add('full');
    transport.deliver({ threadId: 'full' });
    start(transport);
    await pass(0);
    inbox.stuck.clear();
    inbox.emit({ type: 'room' });
    await pass(0);
    expect(inbox.taken).toHaveLength(1);
  });
});

describe('a backend in trouble', () => {
  it('is left alone with growing patience, said once, and read from the beginning when it is back', async () => {
    const transport = new RecordingTransport();
    transport.deliver({ content: 'before' });
    start(transport);
    await pass(0);
    transport.connected = false;
    await pass(600_000);
    const requests = transport.polls;
    expect(requests).toBeLessThan(50);
    expect(intake.status()).toMatchObject({ lastError: { code: 'E_TRANSPORT_NOT_CONNECTED' } });
    expect(intake.status().lastPollAgeMs).toBeGreaterThan(590_000);
    transport.connected = true;
    transport.deliver({ content: 'while it was away' });
    await pass(30_000);
    expect(inbox.contents).toEqual(['before', 'while it was away']);
    expect(transport.polled[requests]).not.toHaveProperty('afterSeq');
    expect(reports).toEqual(['poll: E_TRANSPORT_NOT_CONNECTED', 'poll: works']);
    expect(intake.status()).toMatchObject({ failures: 0 });
    expect(intake.status()).not.toHaveProperty('lastError');
  });

  it('gets the time it asks for', async () => {
    const transport = new RecordingTransport();
    start(transport);
    await pass(0);
    transport.failNext('poll', new WireError('E_RATE_LIMIT', 'slow down', { retryAfterMs: 60_000 }));
    await pass(6_000);
    expect(transport.polls).toBe(2);
    await pass(54_000);
    expect(transport.polls).toBe(2);
    await pass(12_000);
    expect(transport.polls).toBeGreaterThan(2);
  });

  it('does not wedge the loop when it never answers: it hears again within fifteen seconds', async () => {
    const transport = new RecordingTransport();
    let blackHole = true;
    transport.beforePoll = () => (blackHole ? new Promise(() => {}) : undefined);
    start(transport);
    transport.deliver();
    await pass(1_000);
    blackHole = false;
    await pass(14_000);
    expect(inbox.taken).toHaveLength(1);
    expect(reports).toEqual(['poll: E_TRANSPORT_TIMEOUT', 'poll: works']);
  });

  it('is asked one thing only until it is back', async () => {
    const transport = new GroupTransport();
    start(transport, { groups: ['g'] });
    transport.connected = false;
    await pass(120_000);
    expect(transport.fetched).toHaveLength(1);
    transport.connected = true;
    await pass(30_000);
    expect(transport.fetched.length).toBeGreaterThan(1);
  });

  it('that refuses the key is asked seldom, and the agent hears of it', async () => {
    const transport = new RecordingTransport();
    const refused = new WireError('E_AUTH_UNAUTHORIZED', 'Authentication required');
    transport.poll = async () => {
      transport.polls += 1;
      throw refused;
    };
    const reportUnauthorized = vi.fn();
    start(transport, { agent: { reportUnauthorized, onChange: () => () => {} } });
    await pass(10_000);
    expect(transport.polls).toBe(3);
    await pass(290_000);
    expect(transport.polls).toBeLessThanOrEqual(13);
    expect(reportUnauthorized).toHaveBeenCalledTimes(transport.polls);
    expect(reportUnauthorized).toHaveBeenCalledWith(refused);
    expect(reports).toEqual(['poll: E_AUTH_UNAUTHORIZED']);
  });

  it('that refuses the key is asked no more often because groups are followed', async () => {
    const transport = new GroupTransport();
    const refuse = () => {
      throw new WireError('E_AUTH_UNAUTHORIZED', 'Authentication required');
    };
    start(transport, { groups: ['g'] });
    await pass(0);
    transport.beforePoll = refuse;
    transport.beforeFetch = refuse;
    await pass(6_000);
    const before = transport.fetched.length + transport.polled.length - 1;
    await pass(9_000);
    expect(transport.fetched.length + transport.polled.length - before).toBeLessThanOrEqual(3);
    transport.beforePoll = () => {};
    transport.beforeFetch = () => {};
    transport.say('g', '@bot');
    await pass(66_000);
    expect(inbox.contents).toEqual(['@bot']);
  });

  it('is asked again within a second or so of a new key', async () => {
    const transport = new RecordingTransport();
    let newKey = () => {};
    start(transport, {
      agent: {
        reportUnauthorized: () => {},
        onChange(listener) {
          newKey = () => listener({} as never);
          return () => {};
        },
      },
    });
    for (let n = 0; n < 4; n++) transport.failNext('poll', new WireError('E_AUTH_EXPIRED_TOKEN', 'expired'));
    await pass(15_000);
    transport.failNext('poll', new CleoError('E_AUTH_EXPIRED_TOKEN', 'expired'));
    const before = transport.polls;
    newKey();
    newKey();
    await pass(1_000);
    expect(transport.polls).toBe(before + 1);
  });
});

describe('a live stream beside the polling', () => {
  it('slows the polling down while it is live, and only then', async () => {
    const transport = new RecordingTransport();
    const { realtime } = stream('live');
    start(transport, { realtime });
    await pass(20_000);
    expect(transport.polls).toBe(1);
    await pass(600_000);
    expect(transport.polls).toBeLessThanOrEqual(26);
  });

  it('does not slow it down by being there', async () => {
    const transport = new RecordingTransport();
    start(transport, { realtime: stream('connecting').realtime });
    await pass(20_000);
    expect(transport.polls).toBeGreaterThanOrEqual(4);
  });

  it('causes a scan from the beginning when it is lost, and the normal interval from then on', async () => {
    const transport = new RecordingTransport();
    const { realtime, change } = stream('live');
    transport.deliver();
    start(transport, { realtime });
    await pass(0);
    change('stale');
    await pass(0);
    expect(transport.polled).toHaveLength(2);
    expect(transport.polled[1]).not.toHaveProperty('afterSeq');
    await pass(6_000);
    expect(transport.polls).toBe(3);
  });

  it.each([1, 2_000, 4_000])(
    'lost for good does not keep a message of %i ms later waiting for more than the interval and a fifth',
    async (ms) => {
      const transport = new RecordingTransport();
      const { realtime, change } = stream('live');
      start(transport, { realtime });
      await pass(20_000);
      change('fallback');
      await pass(ms);
      transport.deliver({ content: 'in the gap' });
      await pass(6_000);
      expect(inbox.contents).toEqual(['in the gap']);
    },
  );

  it('causes a look at what is new when it comes back, and not at everything once more', async () => {
    const transport = new RecordingTransport();
    const { realtime, change } = stream('connecting');
    transport.deliver();
    start(transport, { realtime });
    await pass(0);
    change('live');
    await pass(0);
    expect(transport.polled.map(({ afterSeq }) => afterSeq)).toEqual([undefined, 1]);
    await pass(20_000);
    expect(transport.polls).toBe(2);
  });

  it('that the inbox could not take all of is followed by a look at what was turned away', async () => {
    const transport = new RecordingTransport();
    const { realtime, change } = stream('connecting');
    start(transport, { realtime });
    await pass(0);
    inbox.stuck.add('full');
    transport.deliver({ threadId: 'full', content: 'turned away' });
    change('live');
    await pass(0);
    expect(inbox.contents).toEqual([]);
    inbox.stuck.clear();
    inbox.emit({ type: 'room' });
    await pass(0);
    expect(inbox.contents).toEqual(['turned away']);
  });

  it('shortens a backoff by becoming live, not by failing to', async () => {
    const transport = new RecordingTransport();
    const { realtime, change } = stream('connecting');
    start(transport, { realtime });
    transport.connected = false;
    await pass(60_000);
    const before = transport.polls;
    for (let n = 0; n < 10; n++) {
      change('fallback');
      change('connecting');
      await pass(0);
    }
    expect(transport.polls).toBe(before);
    transport.connected = true;
    change('live');
    await pass(0);
    expect(transport.polls).toBeGreaterThan(before);
  });

  it('is let go at the end', async () => {
    const { realtime, listeners } = stream('live');
    start(new RecordingTransport(), { realtime });
    await pass(0);
    abort.abort();
    await running;
    expect(listeners.size).toBe(0);
  });
});

describe('followed groups beside a live source', () => {
  const groups = Array.from({ length: 20 }, (_, n) => `g${n}`);
  /** Requests of each kind from now on, in the order in which they are made. */
  function requests(transport: GroupTransport): string[] {
    const made: string[] = [];
    transport.beforePoll = () => void made.push('poll');
    transport.beforeFetch = () => void made.push('groups');
    return made;
  }
  const count = (made: string[], kind: string) => made.filter((one) => one === kind).length;

  /** Beside a stream that has become live, with its groups all read. */
  async function resting(options: Partial<IntakeOptions> = {}) {
    const transport = new GroupTransport();
    for (const group of groups) transport.say(group, 'welcome');
    const own = stream('connecting');
    start(transport, { realtime: own.realtime, groups, ...options });
    await pass(0);
    own.change('live');
    await pass(0);
    return { transport, made: requests(transport), ...own };
  }

  it('cost an agent of 20 of them less than one and a half requests a minute in all', async () => {
    const { made } = await resting({ liveIntervalMs: 60_000 });
    await pass(3_600_000);
    expect(count(made, 'poll')).toBeGreaterThan(48);
    expect(count(made, 'poll') / 60).toBeLessThan(1.26);
    expect(count(made, 'groups')).toBeGreaterThan(9);
    expect(made.length / 60).toBeLessThan(1.5);
  });

  it('are read in every fifth cycle', async () => {
    const { made } = await resting();
    await pass(30_000 * 1.2 * 11);
    expect(made.slice(0, 12)).toEqual([
      ...Array(4).fill('poll'),
      'groups',
      ...Array(5).fill('poll'),
      'groups',
      'poll',
    ]);
  });

  it('are read at once when the source is lost, and in every cycle from then on', async () => {
    const { made, change } = await resting();
    change('fallback');
    await pass(0);
    expect(made).toEqual(['groups', 'poll']);
    await pass(12_100);
    expect(made.length).toBeGreaterThanOrEqual(6);
    expect(count(made, 'groups')).toBe(count(made, 'poll'));
  });

  it('are read once more when it is back', async () => {
    const { made, change } = await resting();
    change('stale');
    change('live');
    await pass(0);
    expect(made).toEqual(['groups', 'poll']);
    await pass(40_000);
    expect(made.slice(2)).toEqual(['poll']);
  });

  it('are read at once after the host slept', async () => {
    const { made } = await resting();
    vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 60_000);
    await pass(501);
    vi.restoreAllMocks();
    expect(made).toEqual(['groups', 'poll']);
  });

  it('are read in the next cycle after a new key, and after a failed one', async () => {
    let newKey = () => {};
    const agent: IntakeOptions['agent'] = {
      reportUnauthorized: () => {},
      onChange(listener) {
        newKey = () => listener({} as never);
        return () => {};
      },
    };
    const { transport, made } = await resting({ agent });
    newKey();
    await pass(36_001);
    expect(made).toEqual(['groups', 'poll']);
    transport.failNext('poll', new WireError('E_INTERNAL_SERVICE', 'down'));
    await pass(40_000);
    // With short waits there is one more.
    expect(made.slice(2, 6)).toEqual(['poll', 'poll', 'groups', 'poll']);
  });

  it('that could not be read are tried again in one of the next cycles', async () => {
    // Each wait as long as it can be.
    vi.spyOn(Math, 'random').mockReturnValue(1 - Number.EPSILON);
    onTestFinished(() => void vi.restoreAllMocks());
    const { transport, made } = await resting();
    await pass(4 * 36_001);
    transport.beforeFetch = () => {
      made.push('failed');
      throw new WireError('E_INTERNAL_SERVICE', 'down');
    };
    await pass(2 * 36_001);
    expect(count(made, 'failed')).toBeGreaterThan(0);
    transport.beforeFetch = () => {};
    transport.say('g7', '@bot');
    // A failure is waited out first, and a cycle that comes meanwhile does without them.
    await pass(3 * 36_001);
    expect(inbox.contents).toEqual(['@bot']);
  });

  it('are read when the inbox has room again for a mention that it turned away', async () => {
    const { transport } = await resting();
    inbox.stuck.add('g7');
    const mention = transport.say('g7', '@bot');
    await pass(5 * 36_001);
    expect(inbox.contents).toEqual([]);
    inbox.stuck.clear();
    inbox.finish(mention);
    await pass(0);
    expect(inbox.contents).toEqual(['@bot']);
  });

  it('are read in every fifth cycle beside native push too', async () => {
    class Both extends GroupTransport {
      subscribe(): () => void {
        return () => {};
      }
    }
    const transport = new Both();
    start(transport, { groups });
    await pass(0);
    const made = requests(transport);
    await pass(30_000 * 1.2 * 6);
    expect(made.slice(0, 6)).toEqual([...Array(4).fill('poll'), 'groups', 'poll']);
  });
});

describe('native push', () => {
  it('brings messages at once, and slows the polling down', async () => {
    const transport = new PushingTransport();
    start(transport);
    await pass(0);
    transport.deliver({ content: 'pushed' });
    expect(inbox.contents).toEqual(['pushed']);
    expect(inbox.pages.at(-1)!.source).toEqual({ name: 'push', ackable: true });
    expect(intake.status()).toMatchObject({ pushLive: true });
    await pass(20_000);
    expect(transport.polls).toBe(1);
  });

  it('never overtakes what was unread before', async () => {
    const transport = new PushingTransport();
    transport.quiet = true;
    for (let n = 0; n < 250; n++) transport.deliver({ content: `old ${n}` });
    transport.quiet = false;
    transport.beforePoll = () => new Promise((resolve) => setTimeout(resolve, 100));
    start(transport);
    await pass(50);
    transport.deliver({ content: 'new 1' });
    await pass(100);
    transport.deliver({ content: 'new 2' });
    await pass(1_000);
    const contents = Array.from({ length: 250 }, (_, n) => `old ${n}`);
    expect(inbox.contents).toEqual([...contents, 'new 1', 'new 2']);
  });

  it('waits for a scan after the inbox turned a message away, and one a second is enough', async () => {
    const transport = new PushingTransport();
    start(transport);
    await pass(0);
    inbox.stuck.add('full');
    transport.deliver({ threadId: 'full', content: 'first' });
    const before = transport.polls;
    for (let n = 0; n < 100; n++) {
      transport.deliver({ threadId: 'free', content: `free ${n}` });
      await pass(30);
    }
    expect(transport.polls - before).toBeLessThanOrEqual(4);
    expect(inbox.contents.length).toBeGreaterThan(50);
    inbox.stuck.clear();
    inbox.emit({ type: 'room' });
    await pass(0);
    expect(inbox.contents.slice(-1)).not.toEqual(['first']);
    expect(inbox.contents).toContain('first');
    expect(new Set(inbox.contents).size).toBe(101);
    expect(intake.status()).toMatchObject({ pushLive: true });
  });

  it('waits for a scan after a failed poll, which may have missed something older', async () => {
    const transport = new PushingTransport();
    start(transport);
    await pass(0);
    transport.connected = false;
    await pass(36_001);
    transport.quiet = true;
    transport.deliver({ content: 'missed' });
    transport.quiet = false;
    transport.deliver({ content: 'pushed' });
    expect(inbox.contents).toEqual([]);
    transport.connected = true;
    await pass(30_000);
    expect(inbox.contents).toEqual(['missed', 'pushed']);
  });

  it('is asked for again when subscribing fails, which is said once', async () => {
    const transport = new PushingTransport();
    const subscribe = transport.subscribe.bind(transport);
    transport.subscribe = vi.fn(() => {
      throw new WireError('E_INTERNAL_SERVICE', 'not yet');
    });
    start(transport);
    await pass(12_000);
    transport.subscribe = subscribe;
    await pass(6_000);
    transport.deliver({ content: 'pushed' });
    expect(inbox.contents).toEqual(['pushed']);
    expect(reports).toEqual(['push: E_INTERNAL_SERVICE', 'push: works']);
  });

  it('ends with the intake', async () => {
    const transport = new PushingTransport();
    start(transport);
    await pass(0);
    abort.abort();
    await running;
    expect(transport.subscribers.size).toBe(0);
  });
});

describe('groups', () => {
  it('are handed over after the scan, so that a mention never overtakes an older copy of its conversation', async () => {
    const transport = new GroupTransport();
    start(transport, { groups: ['g'] });
    await pass(0);
    // Said and fanned out between the scan's request and the next cycle: the group shows the mention first.
    transport.beforeFetch = () => {
      if (transport.said.length > 0) return;
      for (const content of ['plain', 'for @bot']) {
        const said = transport.say('g', content);
        transport.deliver({ content, threadId: 'g', groupId: said.groupId });
      }
    };
    await pass(6_000);
    expect(inbox.contents).toEqual(['plain', 'for @bot']);
    expect(inbox.pages.at(-1)!.source.name).toBe('group');
  });

  it('are caught up in one go', async () => {
    const transport = new GroupTransport();
    start(transport, { groups: ['g'] });
    await pass(0);
    for (let n = 0; n < 500; n++) transport.say('g', `@bot ${n}`);
    await pass(6_000);
    expect(inbox.taken).toHaveLength(500);
  });
});
