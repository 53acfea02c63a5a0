import type { Pool } from 'undici';
import { describe, expect, it } from 'vitest';
import { Lane } from './lane.ts';

const never = new AbortController().signal;

/** A lane of two connections that are both taken; `free` ends the work on one of them. */
function fullLane() {
  const lane = new Lane({} as Pool, 2);
  const ends: (() => void)[] = [];
  const work = () => new Promise<void>((resolve) => ends.push(resolve));
  for (let n = 0; n < 2; n += 1) void lane.run(never, work);
  return { lane, free: () => ends.shift()!() };
}

describe('a lane', () => {
  it('serves those who wait in their order, each once a connection is free', async () => {
    const { lane, free } = fullLane();
    const served: number[] = [];
    const waiting = [1, 2, 3].map((n) => lane.run(never, async () => served.push(n)));
    await Promise.resolve();
    expect(served).toEqual([]);
    free();
    await Promise.all(waiting);
    expect(served).toEqual([1, 2, 3]);
  });

  it('keeps no connection for who has left the queue', async () => {
    const { lane, free } = fullLane();
    const impatient = new AbortController();
    const waiting = [1, 2].map(() =>
      lane.run(impatient.signal, async () => 'served').catch((error) => error),
    );
    const reason = new Error('no longer');
    impatient.abort(reason);
    expect(await Promise.all(waiting)).toEqual([reason, reason]);
    free();
    free();
    expect(await lane.run(never, async () => 'served')).toBe('served');
  });

  it('frees the connection of work that failed', async () => {
    const lane = new Lane({} as Pool, 1);
    const error = new Error('failed');
    await expect(lane.run(never, () => Promise.reject(error))).rejects.toBe(error);
    expect(await lane.run(never, async () => 'served')).toBe('served');
  });

  it('does nothing for who is gone before it begins', async () => {
    const lane = new Lane({} as Pool, 1);
    const reason = new Error('gone');
    await expect(lane.run(AbortSignal.abort(reason), async () => 'served')).rejects.toBe(reason);
    expect(await lane.run(never, async () => 'served')).toBe('served');
  });
});
