import type { InboxStats, IntakeHealth, RealtimeState } from '@cleocode/contracts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Hearing, type HearingSources } from './hearing.ts';

const BUDGET_MS = 10_000;
const CONNECT_MS = 30_000;

let health: IntakeHealth;
let stats: Pick<InboxStats, 'problems'>;
let room: number;
let stream: { state: RealtimeState; lastReceiveAgeMs: number | undefined };

const intake = { health: () => health };
const inbox = {
  stats: () => stats as InboxStats,
  get room() {
    return room;
  },
};
const realtime = {
  get state() {
    return stream.state;
  },
  get lastReceiveAgeMs() {
    return stream.lastReceiveAgeMs;
  },
};

beforeEach(() => {
  vi.useFakeTimers();
  health = { budgetMs: BUDGET_MS, lastReceiveAgeMs: 0 };
  stats = { problems: [] };
  room = 100;
  stream = { state: 'live', lastReceiveAgeMs: 0 };
});
afterEach(() => void vi.useRealTimers());

function listening(sources: HearingSources): Hearing {
  const hearing = new Hearing(sources, CONNECT_MS);
  hearing.begin();
  return hearing;
}

const codes = (hearing: Hearing) => hearing.obstacles().map(({ problem }) => problem.code);

it('hears where nobody says otherwise', () => {
  expect(listening({}).obstacles()).toEqual([]);
  expect(listening({ intake, inbox, realtime }).obstacles()).toEqual([]);
});

describe('by the intake', () => {
  it('does not hear once the last proof is older than two budgets', () => {
    const hearing = listening({ intake });
    health.lastReceiveAgeMs = 2 * BUDGET_MS;
    expect(hearing.obstacles()).toEqual([]);
    health.lastReceiveAgeMs += 1;
    expect(hearing.obstacles()).toEqual([
      {
        problem: {
          code: 'not_receiving',
          message: 'nothing has proven for 20.0 s that messages arrive (allowed: 20.0 s)',
          hint: expect.stringContaining('intake'),
        },
        reason: 'not_receiving: nothing proves that messages arrive',
      },
    ]);
  });

  it('has two budgets from the start for its first proof', () => {
    delete health.lastReceiveAgeMs;
    vi.advanceTimersByTime(60_000);
    const hearing = listening({ intake });
    vi.advanceTimersByTime(2 * BUDGET_MS);
    expect(hearing.obstacles()).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(codes(hearing)).toEqual(['not_receiving']);
  });

  it('does not hear once a problem lasts longer than the budget, and tells others its code only', () => {
    const hearing = listening({ intake });
    const problem = { code: 'E_STORAGE_IO', message: 'cannot read /home/bob/.cleo/state.db', hint: 'Look.' };
    health.problem = problem;
    expect(hearing.obstacles()).toEqual([]);
    vi.advanceTimersByTime(BUDGET_MS);
    expect(hearing.obstacles()).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(hearing.obstacles()).toEqual([{ problem, reason: 'E_STORAGE_IO: messages do not arrive' }]);
  });

  it('forgives problems that pass', () => {
    const hearing = listening({ intake });
    for (let n = 0; n < 10; n++) {
      health.problem = { code: 'E_RATE_LIMIT', message: 'slow down' };
      expect(hearing.obstacles()).toEqual([]);
      vi.advanceTimersByTime(BUDGET_MS);
      delete health.problem;
      expect(hearing.obstacles()).toEqual([]);
    }
  });

  it('does not ask the stream', () => {
    stream = { state: 'fallback', lastReceiveAgeMs: undefined };
    expect(listening({ intake, realtime }).obstacles()).toEqual([]);
  });

  it('is not believed when it throws', () => {
    const broken = {
      health: () => {
        throw new Error('out of order');
      },
    };
    expect(listening({ intake: broken }).obstacles()).toEqual([
      {
        problem: {
          code: 'monitor_failed',
          message: 'it cannot be told whether messages arrive: out of order',
        },
        reason: 'monitor_failed: it is not known whether messages arrive',
      },
    ]);
  });
});

describe('by the inbox', () => {
  it('does not hear while it cannot work', () => {
    const hearing = listening({ intake, inbox });
    stats.problems = [
      { code: 'storage_full', message: 'the disk of /var/lib/cleo is full', sinceMs: 10 },
      { code: 'no_handler', message: 'no plugin handles messages', sinceMs: 5 },
    ];
    expect(hearing.obstacles()).toEqual([
      {
        problem: { code: 'storage_full', message: 'the disk of /var/lib/cleo is full' },
        reason: 'storage_full: messages cannot be handled',
      },
      {
        problem: { code: 'no_handler', message: 'no plugin handles messages' },
        reason: 'no_handler: messages cannot be handled',
      },
    ]);
    stats.problems = [];
    expect(hearing.obstacles()).toEqual([]);
  });

  it('does not hear while it stays full, which a burst alone is not', () => {
    const hearing = listening({ intake, inbox });
    room = 0;
    expect(hearing.obstacles()).toEqual([]);
    vi.advanceTimersByTime(2_000);
    expect(hearing.obstacles()).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(codes(hearing)).toEqual(['inbox_full']);
    room = 1;
    expect(hearing.obstacles()).toEqual([]);
  });
});

describe('by the stream, without an intake', () => {
  it('hears while it is live', () => {
    expect(listening({ realtime }).obstacles()).toEqual([]);
  });

  it.each(['stale', 'fallback'] as const)('does not hear while it is %s', (state) => {
    const hearing = listening({ realtime });
    stream.state = state;
    expect(hearing.obstacles()).toMatchObject([
      {
        problem: { code: 'stream_down', message: `the stream is ${state}, and nothing else brings messages` },
        reason: 'stream_down: messages do not arrive',
      },
    ]);
  });

  it('has some time to connect at first, and none later', () => {
    const hearing = listening({ realtime });
    stream.state = 'connecting';
    vi.advanceTimersByTime(CONNECT_MS);
    expect(hearing.obstacles()).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(codes(hearing)).toEqual(['stream_down']);
    const other = listening({ realtime });
    stream.state = 'live';
    expect(other.obstacles()).toEqual([]);
    stream.state = 'connecting';
    expect(codes(other)).toEqual(['stream_down']);
  });
});

describe('after it stood still', () => {
  it.each([
    ['the intake', { intake }],
    ['the stream', { realtime }],
  ])('needs a new proof from %s, however young the last one is', (_who, sources) => {
    const hearing = listening(sources);
    const proven = (ageMs: number | undefined) => {
      health.lastReceiveAgeMs = ageMs;
      stream.lastReceiveAgeMs = ageMs;
      return hearing.obstacles();
    };
    vi.advanceTimersByTime(1_000);
    hearing.mistrust(60_000);
    const stalled = [
      {
        problem: {
          code: 'stalled',
          message: 'the process stood still for 60.0 s, and has not heard from the backend since',
        },
        reason: 'stalled: stood still, and has not heard anything since',
      },
    ];
    expect(proven(1)).toEqual(stalled);
    expect(proven(undefined)).toEqual(stalled);
    vi.advanceTimersByTime(100);
    expect(proven(100)).toEqual(stalled);
    expect(proven(99)).toEqual([]);
    // What came before the stall is history.
    expect(proven(1_000)).toEqual([]);
  });

  it('has nothing to prove where nobody could', () => {
    const hearing = listening({ inbox });
    hearing.mistrust(60_000);
    expect(hearing.obstacles()).toEqual([]);
  });
});
