import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CleoError, type KeyIssuer, pause, type Secret, WireError } from '@cleocode/contracts';
import { createLogger } from '@cleocode/kernel';
import fc from 'fast-check';
import { afterEach, expect, it, vi } from 'vitest';
import { openStore, type Store } from './store.ts';
import { StoredAgent } from './stored-agent.ts';

afterEach(() => void vi.useRealTimers());

const START = Date.parse('2026-01-01T00:00:00Z');
const HOUR = 3_600_000;
const OVERLAP_MS = 600_000;

/** What may go wrong in one attempt to rotate, in the order in which it may. */
const FAULTS = [
  'none',
  'crash before the backend is asked',
  'backend fails',
  'answer lost',
  'answer twice',
  'crash with the answer',
  'crash before it is verified',
  'verifying fails',
  'crash after it was verified',
] as const;
type Fault = (typeof FAULTS)[number];

type Step =
  | { do: 'rotate'; fault: Fault }
  | { do: 'rotate twice'; faults: [Fault, Fault] }
  | { do: 'restart' }
  | { do: 'use' }
  | { do: 'use, refused by mistake' }
  | { do: 'retire' }
  | { do: 'backend time'; hours: number }
  | { do: 'clock jump'; hours: number };

const fault = fc.constantFrom(...FAULTS);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('rotate' as const), fault }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('rotate twice' as const), faults: fc.tuple(fault, fault) }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'use' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'use, refused by mistake' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'retire' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('backend time' as const), hours: fc.constantFrom(0.1, 0.2, 30) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('clock jump' as const), hours: fc.constantFrom(-24, 24) }),
  },
);

it.each([
  ['that overlaps the keys', { overlapMs: OVERLAP_MS }],
  ['of the record, which ends the old key at once', { overlapMs: 0 }],
])(
  'any interleaving of crashes, timeouts, repeated answers, second rotators and clock jumps, on a backend %s, ends with an agent that authenticates',
  async (_, options) => {
    let lockedOut = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const world = await World.open(options);
        try {
          for (const each of steps) await world.run(each);
          await world.run({ do: 'restart' });
          const taken = await world.use();
          if (!taken) {
            expect(world.answersLost, 'nothing but a lost answer locks an agent out').toBe(true);
            expect(options.overlapMs, 'and only where there is no overlap').toBe(0);
            expect(world.agent.auth().problem?.code).toBe('requires_reauth');
            lockedOut += 1;
            return;
          }
          const before = world.key;
          await world.run({ do: 'rotate', fault: 'none' });
          expect(await world.use(), 'it authenticates after the next rotation').toBe(true);
          expect(world.key === before, 'which has replaced the key').toBe(false);
        } finally {
          await world.close();
        }
      }),
      { numRuns: 50, endOnFailure: true },
    );
    // The documented state was met; elsewhere it was never.
    expect(lockedOut > 0).toBe(options.overlapMs === 0);
  },
  300_000,
);

/** A backend as the wire describes it: two live keys at most, and with an overlap, rotations that can be repeated. */
class Backend {
  /** Takes no key. */
  isMistaken = false;
  readonly #overlapMs: number;
  #now = START;
  #keys: { key: string; id?: string; expiresAt?: number; keptMs?: number }[];

  constructor(first: string, overlapMs: number) {
    this.#keys = [{ key: first }];
    this.#overlapMs = overlapMs;
  }

  advance(ms: number): void {
    this.#now += ms;
  }

  get live(): number {
    return this.#keys.filter((key) => this.#isLive(key)).length;
  }

  authenticate(apiKey: string): void {
    const found = this.#keys.find(({ key }) => key === apiKey);
    if (this.isMistaken || !found || !this.#isLive(found))
      throw new WireError('E_AUTH_INVALID_TOKEN', 'no such key');
    if (found.expiresAt !== undefined) return;
    for (const key of this.#keys) {
      if (key.keptMs === undefined) continue;
      key.expiresAt = Math.max(key.expiresAt!, this.#now + key.keptMs);
      delete key.keptMs;
    }
  }

  rotate(apiKey: string, id: string): { apiKey: string; issuedAt: string; previousKeyExpiresAt?: string } {
    this.authenticate(apiKey);
    const current = this.#keys.find(({ expiresAt }) => expiresAt === undefined)!;
    const issuedAt = new Date(this.#now).toISOString();
    if (this.#overlapMs === 0) {
      this.#keys = [{ key: `sk_test_${randomUUID()}` }];
      return { apiKey: this.#keys[0]!.key, issuedAt };
    }
    const previousKeyExpiresAt = new Date(this.#now + this.#overlapMs).toISOString();
    const isRepeated = current.id === id && this.#keys.some((key) => key !== current && this.#isLive(key));
    if (isRepeated) return { apiKey: current.key, issuedAt, previousKeyExpiresAt };
    const next = { key: `sk_test_${randomUUID()}`, id };
    this.#keys = [{ ...current, expiresAt: this.#now + this.#overlapMs, keptMs: this.#overlapMs }, next];
    return { apiKey: next.key, issuedAt, previousKeyExpiresAt };
  }

  #isLive({ expiresAt, keptMs }: { expiresAt?: number; keptMs?: number }): boolean {
    return expiresAt === undefined || expiresAt > this.#now || keptMs !== undefined;
  }
}

/** An agent on a folder of its own, its backend, and what goes wrong between the two. */
class World {
  agent!: StoredAgent;
  /** The backend has made a key, or may have, and the agent was never told. */
  answersLost = false;
  #store!: Store;
  readonly #root = mkdtempSync(join(tmpdir(), 'rotation-'));
  readonly #backend: Backend;

  static async open({ overlapMs }: { overlapMs: number }): Promise<World> {
    vi.useFakeTimers({ toFake: ['Date'], now: START });
    const first = `sk_test_${randomUUID()}`;
    const world = new World(new Backend(first, overlapMs));
    world.#store = await world.#openStore();
    await world.#store.registry.register({ agentId: 'bob', apiKey: first });
    await world.#restart();
    return world;
  }

  private constructor(backend: Backend) {
    this.#backend = backend;
  }

  async run(step: Step): Promise<void> {
    switch (step.do) {
      case 'rotate':
        await this.#rotate(this.#store, step.fault);
        break;
      case 'rotate twice': {
        const other = await this.#openStore();
        await Promise.all([this.#rotate(this.#store, step.faults[0]), this.#rotate(other, step.faults[1])]);
        await other.close();
        break;
      }
      case 'restart':
        await this.#restart();
        break;
      case 'use':
        await this.use();
        break;
      case 'use, refused by mistake':
        this.#backend.isMistaken = true;
        expect(await this.use()).toBe(false);
        this.#backend.isMistaken = false;
        break;
      case 'retire': {
        const rotation = await this.#store.registry.rotation('bob');
        const isOver = Date.parse(rotation?.previousKeyExpiresAt ?? '') < Date.now();
        if (isOver && this.agent.auth().state === 'ok') await this.#store.registry.retireKey('bob');
        break;
      }
      case 'backend time':
        this.#backend.advance(step.hours * HOUR);
        vi.setSystemTime(Date.now() + step.hours * HOUR);
        break;
      case 'clock jump':
        vi.setSystemTime(Date.now() + step.hours * HOUR);
    }
    expect(this.#backend.live, 'live keys').toBeLessThanOrEqual(2);
  }

  get key(): string {
    return this.agent.credential().apiKey.reveal();
  }

  /** A request, sent again while the agent finds another key; whether the backend took it. */
  async use(): Promise<boolean> {
    await this.agent.reload();
    for (let requests = 0; requests < 4; requests += 1) {
      const { apiKey } = this.agent.credential();
      try {
        this.#backend.authenticate(apiKey.reveal());
        this.agent.reportAccepted(apiKey);
        return true;
      } catch (error) {
        if (!(await this.agent.refresh(apiKey, error))) return false;
      }
    }
    throw new Error('it goes on finding keys that are refused');
  }

  async close(): Promise<void> {
    await this.#store.close();
    rmSync(this.#root, { recursive: true, force: true });
    vi.useRealTimers();
  }

  async #restart(): Promise<void> {
    await this.#store.close();
    this.#store = await this.#openStore();
    const credential = (await this.#store.registry.get('bob'))!;
    this.agent = new StoredAgent(
      credential,
      this.#store.registry,
      createLogger('error', () => {}),
      0,
    );
    await this.agent.reload();
  }

  #openStore(): Promise<Store> {
    return openStore({ dir: join(this.#root, '.cleo'), dataDir: join(this.#root, 'data') });
  }

  async #rotate(store: Store, fault: Fault): Promise<void> {
    const crash = new AbortController();
    try {
      await store.registry.rotateKey('bob', { signal: crash.signal, issuer: this.#issuer(fault, crash) });
    } catch (error) {
      const isExpected = crash.signal.aborted || (CleoError.is(error) && EXPECTED.includes(error.code));
      if (!isExpected) throw error;
    }
    // What ran in the process that crashed does not run on.
    if (crash.signal.aborted && store === this.#store) await this.#restart();
  }

  #issuer(fault: Fault, crash: AbortController): KeyIssuer {
    const dies = (): Promise<never> => {
      crash.abort(new Error('crash'));
      return new Promise(() => {});
    };
    return {
      issue: async ({ apiKey }, { idempotencyKey }) => {
        await pause(0, crash.signal);
        if (fault === 'crash before the backend is asked') return dies();
        if (fault === 'backend fails') throw new WireError('E_INTERNAL_ERROR', 'not today');
        const issued = this.#backend.rotate(apiKey, idempotencyKey);
        if (fault === 'answer twice') {
          // The first answer never arrives; and it may have ended the key that the second request comes with.
          this.answersLost = true;
          return this.#backend.rotate(apiKey, idempotencyKey);
        }
        const isLost = fault === 'answer lost' || fault === 'crash with the answer';
        if (isLost) this.answersLost = true;
        if (fault === 'answer lost')
          throw new CleoError('E_TRANSPORT_TIMEOUT', 'too late', { retryable: true });
        return isLost ? dies() : issued;
      },
      verify: async (apiKey: Secret) => {
        if (fault === 'crash before it is verified') return dies();
        if (fault === 'verifying fails')
          throw new CleoError('E_TRANSPORT_UNREACHABLE', 'gone', { retryable: true });
        this.#backend.authenticate(apiKey.reveal());
        if (fault === 'crash after it was verified') return dies();
      },
    };
  }
}

const EXPECTED = [
  'E_INTERNAL_ERROR',
  'E_TRANSPORT_TIMEOUT',
  'E_TRANSPORT_UNREACHABLE',
  'E_AUTH_INVALID_TOKEN',
];
