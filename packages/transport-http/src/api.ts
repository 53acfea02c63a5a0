import {
  CleoError,
  healthSchema,
  NO_FEATURES,
  pause,
  type Secret,
  type ServerFeatures,
  withDeadline,
} from '@cleocode/contracts';
import { z } from 'zod';
import { dataOf, failureOf } from './answer.ts';
import type { Backend } from './backend.ts';
import type { HttpAnswer, HttpRequest } from './exchange.ts';
import { label } from './failures.ts';
import { dateOf, serverTime } from './hints.ts';
import { KeyGate } from './key-gate.ts';
import { RateWindow, type Use } from './rate-window.ts';
import { follow } from './redirect.ts';
import { retryDelay } from './retry.ts';
import { VERSION } from './version.ts';

/** Who asks. */
export interface Identity {
  readonly agentId: string;
  /** Asked for each request, so that a rotation is seen at once. */
  apiKey(): Secret;
  /** The backend refused this key. Resolves with whether another one is current now; never rejects. */
  refused(apiKey: Secret, error: unknown): Promise<boolean>;
  /** The backend took this key. */
  accepted(apiKey: Secret): void;
  /** Milliseconds until the current key, which was refused, may be tried again; `undefined`: it was not. */
  retryInMs(): number | undefined;
}

export interface ApiRequest {
  method: HttpRequest['method'];
  /** Below the API base, with the query. */
  path: string;
  body?: unknown;
  idempotencyKey?: string;
  /** Whether a second time changes nothing. Default: unless it is a POST. */
  repeatable?: boolean;
  /** Default `write`. */
  use?: Use;
  /** Default `main`. */
  lane?: keyof Backend['lanes'];
  /** The answer is a page of messages, which may be large. */
  page?: true;
  /** In place of the current key. */
  apiKey?: Secret;
  /** Its caller repeats it, in its own time. */
  once?: true;
}

/** One operation of a caller, which may take several requests. */
export interface Call {
  readonly signal: AbortSignal;
  /** Milliseconds left of its deadline. */
  remainingMs(): number;
  /** Why it is still not done. */
  lastFailure?: unknown;
}

/** The schema of an answer that says no more than that it is done. */
export const DONE = z.unknown();

export interface Asked<T> {
  data: T;
  /** Epoch milliseconds by the server's clock. */
  serverTime: number;
}

/** An answer that is no page: one message of 1 MiB, of which JSON may write each character as six, and what is around it. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** Asks a backend as one agent, or as nobody: with deadlines, safe retries, and errors that say what happened. */
export class Api {
  readonly #backend: Backend;
  readonly #identity: Identity | undefined;
  readonly #window = new RateWindow();
  readonly #running = new Set<AbortController>();
  readonly #keyGate = new KeyGate();
  /** What time it is there, and when that was told, by the monotonic clock. */
  #told: { date: number; at: number } | undefined;

  constructor(backend: Backend, identity?: Identity) {
    this.#backend = backend;
    this.#identity = identity;
  }

  /** Epoch milliseconds by the backend's clock, to the second; `undefined` before its first answer to us. */
  now(): number | undefined {
    return this.#told && this.#told.date + (performance.now() - this.#told.at);
  }

  /** What the backend can do beyond the record. */
  features(): Promise<ServerFeatures> {
    return this.#backend.features.get();
  }

  /** See {@link CircuitBreaker.knock}. */
  knock(): number {
    return this.#backend.breaker.knock();
  }

  /** The backend was heard by other means: it is asked again, whatever its last answers were. */
  heard(): void {
    this.#backend.breaker.heard();
  }

  /** Asks for the features anew. */
  health(): Promise<ServerFeatures> {
    return this.run('health', undefined, async (call) => {
      const request: ApiRequest = { method: 'GET', path: '/health', lane: 'presence' };
      return (await this.ask(request, healthSchema, call)).data.features ?? NO_FEATURES;
    });
  }

  /** Runs `work` until its deadline, until `signal` aborts or until {@link close}; then it rejects at once. */
  async run<T>(what: string, signal: AbortSignal | undefined, work: (call: Call) => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    const { totalMs } = this.#backend.limits;
    const deadline = performance.now() + totalMs;
    const own = new AbortController();
    const call: Call = { signal: own.signal, remainingMs: () => deadline - performance.now() };
    const onAbort = () => own.abort(signal!.reason);
    this.#running.add(own);
    signal?.addEventListener('abort', onAbort);
    try {
      return await withDeadline(
        work(call),
        totalMs,
        () => timedOut(what, totalMs, call.lastFailure),
        own.signal,
      );
    } catch (error) {
      own.abort(error);
      throw error;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#running.delete(own);
    }
  }

  /** Sends a request, again where that is safe, and answers what `schema` makes of the answer. */
  async ask<S extends z.ZodType>(request: ApiRequest, schema: S, call: Call): Promise<Asked<z.output<S>>> {
    const answer = await this.#send(request, call);
    return {
      data: dataOf(answer, label(this.#target(request)), schema),
      serverTime: serverTime(answer.headers),
    };
  }

  /** Ends what is under way; its callers hear `E_TRANSPORT_NOT_CONNECTED`. */
  async close(): Promise<void> {
    const error = new CleoError('E_TRANSPORT_NOT_CONNECTED', 'disconnected while a request was under way');
    for (const own of this.#running) own.abort(error);
    await this.#backend.release();
  }

  async #send(request: ApiRequest, call: Call): Promise<HttpAnswer> {
    const { breaker, budget } = this.#backend;
    const { repeatable = request.method !== 'POST' } = request;
    let replayed = false;
    for (let tries = 1; ; tries += 1) {
      const { answer, failure, hasOtherKey } = await this.#try(request, call.signal);
      if (tries === 1) budget.earn();
      if (answer && !failure) return answer;
      call.signal.throwIfAborted();
      call.lastFailure = failure;
      // Who is refused was not heard: anything may be sent again with another key, once.
      if (hasOtherKey && !replayed) {
        replayed = true;
        continue;
      }
      if (request.once) throw failure;
      const delay = retryDelay(failure, { tries, repeatable, remainingMs: call.remainingMs() });
      if (delay === undefined || breaker.open || !budget.spend()) throw failure;
      await pause(delay, call.signal);
    }
  }

  /** Sends a request once. Throws only before anything was sent. */
  #try(request: ApiRequest, signal: AbortSignal): Promise<Tried> {
    const { breaker, lanes } = this.#backend;
    const { lane = 'main' } = request;
    breaker.check(kindOf(request));
    return lanes[lane].run(signal, async () => {
      breaker.check(kindOf(request));
      const identity = request.apiKey ? undefined : this.#identity;
      const leave = identity && this.#keyGate.enter(identity);
      try {
        const key = request.apiKey ?? this.#identity?.apiKey();
        const tried = await this.#exchange(request, key, signal);
        if (!identity || !key) return tried;
        if (tried.answer && !tried.failure) identity.accepted(key);
        if (tried.answer?.status !== 401) return tried;
        return { ...tried, hasOtherKey: await identity.refused(key, tried.failure) };
      } finally {
        leave?.();
      }
    });
  }

  async #exchange(request: ApiRequest, key: Secret | undefined, signal: AbortSignal): Promise<Tried> {
    const { breaker, lanes, limits } = this.#backend;
    const { lane = 'main', use = 'write', page } = request;
    const maxBytes = page ? limits.maxBytes : Math.min(limits.maxBytes, MAX_ANSWER_BYTES);
    const apiKey = key?.reveal();
    const http = this.#http(request, apiKey);
    const counted = this.#window.begin(use);
    const pass = breaker.enter(kindOf(request));
    const tried: Tried = {};
    try {
      tried.answer = await follow(lanes[lane].pool, http, { ...limits, maxBytes }, signal);
      tried.failure = failureOf(tried.answer, label(http), apiKey);
    } catch (error) {
      tried.failure = error;
    }
    counted(tried.answer);
    this.#hear(tried.answer);
    if (isOutage(tried) && !signal.aborted)
      pass.failed(tried.failure, { answered: tried.answer !== undefined });
    else if (tried.answer) pass.ok();
    else pass.cancelled();
    return tried;
  }

  /** What an answer tells of the time there. */
  #hear(answer: HttpAnswer | undefined): void {
    const date = answer && dateOf(answer.headers);
    if (date !== undefined) this.#told = { date, at: performance.now() };
  }

  #target({ method, path }: ApiRequest) {
    const { origin, pathname } = this.#backend.base;
    return { method, origin, path: pathname.replace(/\/$/, '') + path };
  }

  #http(request: ApiRequest, apiKey: string | undefined): HttpRequest {
    const { body, idempotencyKey } = request;
    return {
      ...this.#target(request),
      secret: apiKey,
      headers: {
        accept: 'application/json',
        // Nothing to unpack is nothing that grows while it is unpacked.
        'accept-encoding': 'identity',
        'user-agent': `cleo-runtime/${VERSION}`,
        ...(this.#identity && { 'x-agent-id': this.#identity.agentId, authorization: `Bearer ${apiKey}` }),
        ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    };
  }
}

interface Tried {
  answer?: HttpAnswer;
  failure?: unknown;
  /** After a 401: there is another key now. */
  hasOtherKey?: boolean;
}

/** What others see of the agent must not depend on whether a server that is there can show messages. */
function kindOf({ lane }: ApiRequest): { bystander: boolean } {
  return { bystander: lane === 'presence' };
}

/** The backend is not there, or has failed by itself: others would fare no better. */
function isOutage({ answer, failure }: Tried): boolean {
  if (answer) return answer.status >= 500;
  const codes = ['E_TRANSPORT_UNREACHABLE', 'E_TRANSPORT_TIMEOUT', 'E_TRANSPORT_INVALID'];
  return CleoError.is(failure) && codes.includes(failure.code);
}

function timedOut(what: string, ms: number, cause: unknown): CleoError {
  return new CleoError('E_TRANSPORT_TIMEOUT', `${what} was not done within ${ms} ms`, {
    hint: 'Check that the backend is reachable and not overloaded, or raise timeoutMs.',
    retryable: true,
    details: { phase: 'total', timeoutMs: ms },
    ...(cause !== undefined && { cause }),
  });
}
