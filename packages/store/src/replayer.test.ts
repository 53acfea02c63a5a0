import type { ConduitMessage, Inbox } from '@cleocode/contracts';
import { describe, expect, it } from 'vitest';
import { Replayer } from './replayer.ts';

const message = (id: string): ConduitMessage => ({ id, from: 'alice', content: id, timestamp: '' });

/** A replayer over letters marked at the given times, and an inbox with `room` that turns away what is in `refused`. */
function setUp(marks: Record<string, number>) {
  const state = { marks, room: 10, refused: new Set<string>(), received: [] as string[] };
  const letters = {
    pendingReplays: () => Object.entries(state.marks).map(([key, at]) => ({ key, at })),
    messageToReplay: (key: string) => (key in state.marks ? message(key) : undefined),
  };
  const inbox: Pick<Inbox, 'room' | 'receive'> = {
    get room() {
      return state.room;
    },
    receive([one], source) {
      expect(source).toEqual({ name: 'replay', ackable: false, anew: true });
      state.received.push(one!.id);
      const deferred = state.refused.has(one!.id) ? [one!] : [];
      if (deferred.length === 0) state.room--;
      return { accepted: 1 - deferred.length, duplicates: 0, deferred };
    },
  };
  return { state, replayer: new Replayer(letters, inbox as Inbox) };
}

describe('the replayer', () => {
  it('hands each marked letter over once', () => {
    const { state, replayer } = setUp({ a: 1, b: 1 });
    expect([replayer.feed(), replayer.feed()]).toEqual([false, false]);
    expect(state.received).toEqual(['a', 'b']);
  });

  it('hands a letter over again when it was marked anew', () => {
    const { state, replayer } = setUp({ a: 1 });
    replayer.feed();
    state.marks = {};
    replayer.feed();
    state.marks = { a: 2 };
    replayer.feed();
    state.marks = { a: 3 };
    replayer.feed();
    expect(state.received).toEqual(['a', 'a', 'a']);
  });

  it('never offers more than there is room for, and comes back for the rest', () => {
    const { state, replayer } = setUp({ a: 1, b: 1, c: 1 });
    state.room = 2;
    expect(replayer.feed()).toBe(true);
    expect(state.received).toEqual(['a', 'b']);
    expect(replayer.feed()).toBe(true);
    state.room = 1;
    expect(replayer.feed()).toBe(false);
    expect(state.received).toEqual(['a', 'b', 'c']);
  });

  it('offers what was turned away again, until it is taken', () => {
    const { state, replayer } = setUp({ a: 1, b: 1 });
    state.refused.add('a');
    expect(replayer.feed()).toBe(true);
    state.refused.clear();
    expect(replayer.feed()).toBe(false);
    expect(state.received).toEqual(['a', 'b', 'a']);
  });
});
