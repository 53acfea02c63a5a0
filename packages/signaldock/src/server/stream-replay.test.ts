import { setImmediate as turn } from 'node:timers/promises';
import type { WireMessage } from '@cleocode/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { testDock } from '../dock.test.kit.ts';
import type { Dock } from '../dock.ts';
import { idsOf, resyncs, send, serveStreams, until } from './stream.test.kit.ts';

const AGENTS = ['alice', 'bob', 'carol'];

describe('a stream with Last-Event-ID', () => {
  it('brings back what came after that message, up to the limit, and says when there was more', async () => {
    const dock = await testDock(AGENTS);
    const ids = idsOf(await send(dock, 1_002));
    const server = await serveStreams(dock);
    const replayed = async (missed: number) => {
      const client = await server.connect({ lastEventId: ids.at(-1 - missed)! });
      const [next] = await send(dock, 1);
      await until(() => client.ids().at(-1) === next!.id);
      ids.push(next!.id);
      return client;
    };
    const none = await replayed(0);
    expect(none.ids()).toEqual(ids.slice(-1));
    const one = await replayed(1);
    expect(one.ids()).toEqual(ids.slice(-2));
    const all = await replayed(1_000);
    expect(all.ids()).toEqual(ids.slice(-1_001));
    for (const client of [none, one, all]) expect(resyncs(client)).toEqual([]);
    const most = await replayed(1_001);
    expect(most.ids()).toEqual(ids.slice(-1_002).toSpliced(1_000, 1));
    expect(resyncs(most)).toEqual([{ reason: 'replay_limit' }]);
    expect(most.events.at(2 + 1_000)).toMatchObject({ event: 'resync' });
  });

  it('brings back only what is unread', async () => {
    const dock = await testDock(AGENTS);
    const sent = idsOf(await send(dock, 5));
    await dock.ack('bob', [sent[2]!]);
    const server = await serveStreams(dock);
    const client = await server.connect({ lastEventId: sent[0]! });
    await until(() => client.ids().length === 3);
    expect(client.ids()).toEqual([sent[1], sent[3], sent[4]]);
  });

  it.each(['no-such-message', 'carol’s'])('asks for a peek when it names %s', async (which) => {
    const dock = await testDock(AGENTS);
    const hidden = await dock.send('alice', 'carol', { content: 'not yours' });
    await send(dock, 3);
    const server = await serveStreams(dock);
    const client = await server.connect({ lastEventId: which === 'carol’s' ? hidden.id : which });
    await until(() => client.events.length === 3);
    const later = await send(dock, 2);
    await until(() => client.ids().length === 2);
    expect(client.events[2]).toEqual({ event: 'resync', data: { reason: 'unknown_id' } });
    expect(client.ids()).toEqual(idsOf(later));
  });

  it('takes an empty one for none', async () => {
    const dock = await testDock(AGENTS);
    await send(dock, 3);
    const server = await serveStreams(dock);
    const client = await server.connect({ lastEventId: '' });
    const later = await send(dock, 1);
    await until(() => client.ids().length > 0);
    expect(client.ids()).toEqual(idsOf(later));
    expect(resyncs(client)).toEqual([]);
  });

  it('is closed when the storage fails meanwhile, so that its client comes back with the same id', async () => {
    const dock = await testDock(AGENTS);
    const [first] = await send(dock, 2);
    const failure = new Error('cannot read');
    const failures: unknown[] = [];
    const failing: Partial<Dock> = { peek: () => Promise.reject(failure) };
    const server = await serveStreams({ ...dock, ...failing }, { log: (_, fields) => failures.push(fields) });
    const client = await server.connect({ lastEventId: first!.id });
    await until(() => client.closed);
    expect(client.ended).toBe(false);
    expect(failures).toEqual([{ agentId: 'bob', error: failure }]);
  });

  it('leaves no gap and repeats nothing, however sends and reads interleave', {
    timeout: 60_000,
  }, async () => {
    const dock = await testDock(AGENTS);
    const turns = fc.nat({ max: 4 });
    const plan = fc.record({
      missed: fc.nat({ max: 45 }),
      // Near the number of what was missed, where the limit and what is live meet.
      spare: fc.integer({ min: -5, max: 10 }),
      lag: fc.nat({ max: 12 }),
      reads: fc.array(fc.record({ before: turns, after: turns }), { minLength: 1, maxLength: 6 }),
      live: fc.array(fc.record({ after: turns, length: fc.constantFrom(1, 60_000) }), { maxLength: 30 }),
    });
    const check = fc.asyncProperty(plan, async ({ missed, spare, lag, reads, live }) => {
      const replay = Math.max(0, missed + spare);
      const [last, ...before] = idsOf(await send(dock, 1 + missed));
      let read = 0;
      let sending = Promise.resolve<string[]>([]);
      const interleaved: Partial<Dock> = {
        // As late as the messages of another process, which a read of the file may see first.
        onMessages(agentId, listener, onError) {
          let hearing = Promise.resolve();
          const late = (message: WireMessage) => {
            hearing = hearing.then(() => take(lag)).then(() => listener(message));
          };
          const end = dock.onMessages(agentId, late, onError);
          sending = sendAll(dock, live);
          return end;
        },
        async peek(...given) {
          const { before, after } = reads[read++ % reads.length]!;
          await take(before);
          const page = await dock.peek(...given);
          await take(after);
          return page;
        },
      };
      const server = await serveStreams({ ...dock, ...interleaved }, { replay, maxBufferedBytes: 1 });
      const client = await server.connect({ lastEventId: last! });
      const expected = [...before.slice(0, replay), ...(await sending)];
      await until(() => client.ids().length >= expected.length);
      await take(5);
      expect(client.ids()).toEqual(expected);
      if (missed > replay) expect(resyncs(client)).toEqual([{ reason: 'replay_limit' }]);
      if (missed + live.length <= replay) expect(resyncs(client)).toEqual([]);
      client.response.destroy();
    });
    await fc.assert(check, { numRuns: 25 });
  });
});

/** Sends to bob, each after so many turns of the event loop; answers their ids in order. */
async function sendAll(dock: Dock, plan: { after: number; length: number }[]): Promise<string[]> {
  const sends: Promise<WireMessage>[] = [];
  for (const { after, length } of plan) {
    await take(after);
    sends.push(dock.send('alice', 'bob', { content: 'x'.repeat(length) }));
  }
  return idsOf((await Promise.all(sends)).sort((a, b) => a.seq! - b.seq!));
}

async function take(turns: number): Promise<void> {
  for (let n = 0; n < turns; n++) await turn();
}
