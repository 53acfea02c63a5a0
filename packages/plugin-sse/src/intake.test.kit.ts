import {
  type Agent,
  type CleoError,
  type ConduitMessage,
  type Credential,
  type IntakeSource,
  type RealtimeState,
  Secret,
  type Transport,
  toConduitMessage,
} from '@cleocode/contracts';
import type { Dock } from '@cleocode/signaldock';
import { onTestFinished } from 'vitest';
import { catchUp } from './catch-up.ts';
import { StreamIntake, type StreamIntakeOptions } from './intake.ts';
import { type StreamSettings, targetOf } from './settings.ts';

/** A credential that may change. */
export class FakeAgent implements Agent {
  readonly id: string;
  readonly refusals: unknown[] = [];
  readonly #apiBaseUrl: string;
  readonly #listeners = new Set<(credential: Credential) => void>();
  #key: string;

  constructor(id: string, key: string, apiBaseUrl: string) {
    this.id = id;
    this.#key = key;
    this.#apiBaseUrl = apiBaseUrl;
  }

  credential(): Credential {
    return {
      agentId: this.id,
      apiKey: new Secret(this.#key),
      apiBaseUrl: this.#apiBaseUrl,
      transportType: 'http',
      transportConfig: {},
    };
  }

  setKey(key: string): void {
    this.#key = key;
    for (const listener of this.#listeners) listener(this.credential());
  }

  onChange(listener: (credential: Credential) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  reportUnauthorized(cause: unknown): void {
    this.refusals.push(cause);
  }
}

/** The polls of an agent, straight from its dock. {@link before} runs before each. */
class DockTransport implements Pick<Transport, 'name' | 'poll' | 'heard'> {
  readonly name = 'dock';
  readonly #dock: Dock;
  readonly #agentId: string;
  polls = 0;
  before: () => unknown = () => {};
  heard: () => unknown = () => {};

  constructor(dock: Dock, agentId: string) {
    this.#dock = dock;
    this.#agentId = agentId;
  }

  poll: Transport['poll'] = async ({ limit = 50, afterSeq = 0 } = {}) => {
    this.polls += 1;
    await this.before();
    return (await this.#dock.peek(this.#agentId, { limit, afterSeq })).map(toConduitMessage);
  };
}

/** An inbox that takes what the test allows, and records what it got from whom. */
class FakeInbox {
  readonly room = 1_000;
  /** In the order in which they were taken, each once. */
  readonly taken: ConduitMessage[] = [];
  /** What came by the stream itself, repetitions included. */
  readonly pushed: ConduitMessage[] = [];
  full = false;

  get contents(): string[] {
    return this.taken.map(({ content }) => content);
  }

  receive(messages: readonly ConduitMessage[], source: IntakeSource) {
    if (source.afterSeq === undefined) this.pushed.push(...messages);
    if (this.full) return { accepted: 0, duplicates: 0, deferred: [...messages] };
    const known = new Set(this.taken.map(({ id }) => id));
    const fresh = messages.filter(({ id }) => !known.has(id));
    this.taken.push(...fresh);
    return { accepted: fresh.length, duplicates: messages.length - fresh.length, deferred: [] };
  }
}

export interface Started {
  intake: StreamIntake;
  inbox: FakeInbox;
  transport: DockTransport;
  agent: FakeAgent;
  states: RealtimeState[];
  reported: string[];
  stop(): Promise<void>;
}

/** An intake for bob of what is at `url`; stopped after the test. */
export function startIntake(
  dock: Dock,
  url: string,
  key: string,
  options: StreamSettings & Partial<Pick<StreamIntakeOptions, 'pollMs' | 'resume' | 'stallMs'>> = {},
): Started {
  const agent = new FakeAgent('bob', key, url);
  const inbox = new FakeInbox();
  const transport = new DockTransport(dock, 'bob');
  const states: RealtimeState[] = [];
  const reported: string[] = [];
  const note = ({ code }: CleoError) => void reported.push(code);
  const intake = new StreamIntake({
    target: () => targetOf({ agentId: 'bob', agent, apiBaseUrl: url, transport }, options),
    inbox,
    catchUp: (signal) => catchUp({ transport, inbox, timeoutMs: 2_000 }, 0, signal),
    ...options,
    random: () => 0, // The shortest waits.
    reporter: { failing: note, unreadable: note, recovered: () => void reported.push('recovered') },
  });
  intake.onChange((state) => states.push(state));
  const abort = new AbortController();
  const ended = intake.run(abort.signal);
  const stop = async () => {
    abort.abort(new Error('the test is over'));
    await ended;
  };
  onTestFinished(stop);
  return { intake, inbox, transport, agent, states, reported, stop };
}
