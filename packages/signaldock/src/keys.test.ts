import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { WireError } from '@cleocode/contracts';
import { describe, expect, it } from 'vitest';
import { query, TestClock, testDock } from './dock.test.kit.ts';
import { sha256 } from './ids.ts';

async function withBob() {
  const clock = new TestClock();
  const dock = await testDock(['alice'], clock);
  const { apiKey } = await dock.registerAgent({ agentId: 'bob' });
  const works = (key: string, agentId = 'bob') =>
    dock.authenticate(agentId, key).then(
      () => true,
      (error) => {
        if (!WireError.is(error)) throw error;
        return error.code;
      },
    );
  return { clock, dock, apiKey, works };
}

describe('authenticate', () => {
  it('takes the key of the agent', async () => {
    const { apiKey, works } = await withBob();
    expect(await works(apiKey)).toBe(true);
  });

  it('refuses any other key, any other agent, and says what to do', async () => {
    const { dock, apiKey, works } = await withBob();
    expect(await works(`sk_live_${randomBytes(32).toString('hex')}`)).toBe('E_AUTH_INVALID_TOKEN');
    expect(await works('')).toBe('E_AUTH_INVALID_TOKEN');
    expect(await works(sha256(apiKey))).toBe('E_AUTH_INVALID_TOKEN');
    expect(await works(apiKey, 'alice')).toBe('E_AUTH_INVALID_TOKEN');
    expect(await works(apiKey, 'nobody')).toBe('E_AUTH_INVALID_TOKEN');
    const error = await dock.authenticate('bob', 'wrong').catch((thrown) => thrown);
    expect(error.hint).toContain('cleo agent rotate-key');
    expect(error.retryable).toBe(false);
  });

  it('finds only the hash of a key in the file', async () => {
    const { dock, apiKey } = await withBob();
    const { apiKey: second } = await dock.rotateKey('bob', { idempotencyKey: randomUUID() });
    const stored = query(dock.file, 'SELECT hash FROM keys WHERE agent = ?', 'bob');
    expect(stored).toContainEqual({ hash: sha256(apiKey) });
    expect(stored).toContainEqual({ hash: sha256(second) });
    await dock.close();
    const bytes = readFileSync(dock.file);
    for (const key of [apiKey, second]) {
      expect(bytes.includes(key.slice(8, 24))).toBe(false);
      expect(bytes.includes(Buffer.from(key.slice(8), 'hex'))).toBe(false);
    }
  });
});

describe('generateKey', () => {
  it('refuses an agent that has a live key, the first or one of a rotation, and changes nothing', async () => {
    const { dock, apiKey, works } = await withBob();
    const refusal = {
      code: 'E_CONFLICT_ALREADY_EXISTS',
      message: 'Agent has a key already: bob',
      hint: 'Use that key, or rotate it when it is lost.',
    };
    await expect(dock.generateKey('bob')).rejects.toMatchObject(refusal);
    expect(await works(apiKey)).toBe(true);
    await dock.rotateKey('bob', { overlapSeconds: 0 });
    await expect(dock.generateKey('bob')).rejects.toMatchObject(refusal);
  });

  it('answers a key to an agent that has none, once', async () => {
    const { dock, apiKey: old, works } = await withBob();
    change(dock.file, "DELETE FROM keys WHERE agent = 'bob'");
    const { agentId, apiKey } = await dock.generateKey('bob');
    expect(agentId).toBe('bob');
    expect([await works(apiKey), await works(old)]).toEqual([true, 'E_AUTH_INVALID_TOKEN']);
    await expect(dock.generateKey('bob')).rejects.toMatchObject({ code: 'E_CONFLICT_ALREADY_EXISTS' });
  });

  it('answers a key to an agent whose keys have all expired, which stay so', async () => {
    const { clock, dock, apiKey: old, works } = await withBob();
    change(dock.file, `UPDATE keys SET expires_at = ${clock.time + 1_000}`);
    await expect(dock.generateKey('bob')).rejects.toMatchObject({ code: 'E_CONFLICT_ALREADY_EXISTS' });
    clock.advance(1);
    const { apiKey } = await dock.generateKey('bob');
    expect([await works(apiKey), await works(old)]).toEqual([true, 'E_AUTH_EXPIRED_TOKEN']);
  });

  it('is answered one key, however many ask at once', async () => {
    const { dock } = await withBob();
    change(dock.file, "DELETE FROM keys WHERE agent = 'bob'");
    const asked = await Promise.allSettled([1, 2, 3].map(() => dock.generateKey('bob')));
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('refuses an unknown agent', async () => {
    const { dock } = await withBob();
    await expect(dock.generateKey('x')).rejects.toMatchObject({ code: 'E_NOT_FOUND_AGENT' });
  });
});

describe('rotateKey', () => {
  it('answers a new key and lets both work until the overlap ends', async () => {
    const { clock, dock, apiKey: first, works } = await withBob();
    const { agentId, apiKey: second, previousKeyExpiresAt } = await dock.rotateKey('bob');
    expect(agentId).toBe('bob');
    expect(second).toMatch(/^sk_live_[0-9a-f]{64}$/);
    expect(second).not.toBe(first);
    expect(previousKeyExpiresAt).toBe('2026-01-01T00:10:00.000Z');
    clock.advance(599);
    expect([await works(first), await works(second)]).toEqual([true, true]);
    clock.advance(1);
    expect([await works(first), await works(second)]).toEqual(['E_AUTH_EXPIRED_TOKEN', true]);
  });

  it('ends the old key at once with an overlap of 0', async () => {
    const { dock, apiKey: first, works } = await withBob();
    const { apiKey: second } = await dock.rotateKey('bob', { overlapSeconds: 0 });
    expect([await works(first), await works(second)]).toEqual(['E_AUTH_EXPIRED_TOKEN', true]);
  });

  it('keeps two keys alive at most: a second rotation retires the oldest', async () => {
    const { dock, apiKey: first, works } = await withBob();
    const { apiKey: second } = await dock.rotateKey('bob');
    const { apiKey: third } = await dock.rotateKey('bob');
    expect([await works(first), await works(second), await works(third)]).toEqual([
      'E_AUTH_INVALID_TOKEN',
      true,
      true,
    ]);
  });

  it('answers the same new key for the same idempotency key inside the overlap', async () => {
    const { clock, dock, apiKey: first, works } = await withBob();
    const options = { idempotencyKey: randomUUID(), overlapSeconds: 60 };
    const rotated = await dock.rotateKey('bob', options);
    clock.advance(59);
    expect(await dock.rotateKey('bob', options)).toEqual(rotated);
    expect([await works(first), await works(rotated.apiKey)]).toEqual([true, true]);
    clock.advance(1);
    const later = await dock.rotateKey('bob', options);
    expect(later.apiKey).not.toBe(rotated.apiKey);
    expect(await dock.rotateKey('bob', options)).toEqual(later);
  });

  it('answers different keys for different idempotency keys and for different agents', async () => {
    const { dock } = await withBob();
    const made = new Set<string>();
    for (const [agentId, idempotencyKey] of [
      ['bob', 'a'],
      ['bob', 'b'],
      ['alice', 'a'],
    ] as const)
      made.add((await dock.rotateKey(agentId, { idempotencyKey })).apiKey);
    expect(made.size).toBe(3);
  });

  it('refuses to repeat a rotation that a later one has replaced', async () => {
    const { dock } = await withBob();
    await dock.rotateKey('bob', { idempotencyKey: 'first' });
    await dock.rotateKey('bob', { idempotencyKey: 'second' });
    await expect(dock.rotateKey('bob', { idempotencyKey: 'first' })).rejects.toMatchObject({
      code: 'E_CONFLICT_DUPLICATE',
      hint: 'Use the key of the later rotation.',
    });
  });

  describe('that keeps the old key until the new one is used', () => {
    const options = { idempotencyKey: randomUUID(), overlapSeconds: 60, keepUntilUsed: true };

    it('lets it work for however long the answer is lost, and repeats the answer', async () => {
      const { clock, dock, apiKey: first, works } = await withBob();
      const rotated = await dock.rotateKey('bob', options);
      clock.advance(3 * 86_400);
      expect(await works(first)).toBe(true);
      const again = await dock.rotateKey('bob', options);
      expect(again.apiKey).toBe(rotated.apiKey);
      expect(Date.parse(again.previousKeyExpiresAt)).toBe(clock.time + 60_000);
    });

    it('begins the overlap with the first use of the new one', async () => {
      const { clock, dock, apiKey: first, works } = await withBob();
      const { apiKey: second } = await dock.rotateKey('bob', options);
      clock.advance(86_400);
      expect(await works(second)).toBe(true);
      clock.advance(59);
      expect([await works(second), await works(first)]).toEqual([true, true]);
      clock.advance(1);
      expect([await works(second), await works(first)]).toEqual([true, 'E_AUTH_EXPIRED_TOKEN']);
    });

    it('keeps to the time it has told when the new one is used sooner', async () => {
      const { clock, dock, apiKey: first, works } = await withBob();
      const { apiKey: second, previousKeyExpiresAt } = await dock.rotateKey('bob', options);
      expect(await works(second)).toBe(true);
      expect(Date.parse(previousKeyExpiresAt)).toBe(clock.time + 60_000);
      clock.advance(60);
      expect(await works(first)).toBe('E_AUTH_EXPIRED_TOKEN');
    });

    it('still keeps two alive at most, and ends the old one at once with an overlap of 0', async () => {
      const { dock, apiKey: first, works } = await withBob();
      const { apiKey: second } = await dock.rotateKey('bob', { ...options, idempotencyKey: 'a' });
      const { apiKey: third } = await dock.rotateKey('bob', { ...options, idempotencyKey: 'b' });
      expect([await works(first), await works(second)]).toEqual(['E_AUTH_INVALID_TOKEN', true]);
      await dock.rotateKey('bob', { keepUntilUsed: true, overlapSeconds: 0 });
      expect(await works(third)).toBe('E_AUTH_EXPIRED_TOKEN');
    });
  });

  it.each([-1, 86_401, Number.NaN])('refuses an overlap of %d seconds', async (overlapSeconds) => {
    const { dock } = await withBob();
    await expect(dock.rotateKey('bob', { overlapSeconds })).rejects.toMatchObject({
      code: 'E_VALIDATION_CONSTRAINT',
    });
  });

  it('refuses an unknown agent', async () => {
    const { dock } = await withBob();
    await expect(dock.rotateKey('x')).rejects.toMatchObject({ code: 'E_NOT_FOUND_AGENT' });
  });
});

/** Changes the keys as no call of the dock does. */
function change(file: string, sql: string): void {
  const db = new DatabaseSync(file, { timeout: 1_000 });
  db.exec(sql);
  db.close();
}
