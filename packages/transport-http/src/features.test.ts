import { CleoError, NO_FEATURES, WireError } from '@cleocode/contracts';
import { describe, expect, it, vi } from 'vitest';
import { Features } from './features.ts';

const ours = { ...NO_FEATURES, exactCursor: true };
const unreachable = new CleoError('E_TRANSPORT_UNREACHABLE', 'x', { details: { phase: 'connect' } });
const refused = new WireError('E_INTERNAL_SERVICE', 'x', { details: { status: 503 } });

function featuresAt() {
  const clock = { now: 0 };
  const ask = vi.fn<() => Promise<typeof ours>>();
  return { clock, ask, features: new Features(ask, () => clock.now) };
}

describe('the features of a server', () => {
  it('are asked once for all who wait, and again after ten minutes', async () => {
    const { clock, ask, features } = featuresAt();
    ask.mockResolvedValue(ours);
    expect(await Promise.all([features.get(), features.get()])).toEqual([ours, ours]);
    clock.now = 599_999;
    await features.get();
    expect(ask).toHaveBeenCalledTimes(1);
    clock.now = 600_000;
    await features.get();
    expect(ask).toHaveBeenCalledTimes(2);
  });

  it('are asked again once the server may be another', async () => {
    const { ask, features } = featuresAt();
    ask.mockResolvedValueOnce(ours).mockResolvedValueOnce(NO_FEATURES);
    await features.get();
    features.expire();
    expect(await features.get()).toBe(NO_FEATURES);
  });

  it('are unknown while the server gives no answer', async () => {
    const { ask, features } = featuresAt();
    ask.mockRejectedValueOnce(unreachable).mockResolvedValueOnce(ours);
    await expect(features.get()).rejects.toBe(unreachable);
    expect(await features.get()).toBe(ours);
  });

  it('are none when the server answers with an error, until it is asked again a minute later', async () => {
    const { clock, ask, features } = featuresAt();
    ask.mockRejectedValueOnce(refused).mockResolvedValueOnce(ours);
    expect(await features.get()).toEqual(NO_FEATURES);
    clock.now = 59_999;
    expect(await features.get()).toEqual(NO_FEATURES);
    clock.now = 60_000;
    expect(await features.get()).toBe(ours);
  });

  it('stay what they were when asking again fails', async () => {
    const { ask, features } = featuresAt();
    ask.mockResolvedValueOnce(ours).mockRejectedValueOnce(unreachable);
    await features.get();
    features.expire();
    expect(await features.get()).toBe(ours);
    await features.get();
    expect(ask).toHaveBeenCalledTimes(2);
  });
});
