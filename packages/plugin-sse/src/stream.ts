import {
  asTransportError,
  type CleoError,
  isAuthError,
  type Secret,
  type Transport,
  withDeadline,
} from '@cleocode/contracts';
import { Alarm } from '@cleocode/intake';
import { Connection, type StreamEvent } from './connection.ts';
import { label } from './errors.ts';
import { announcedHeartbeat, timesFor, timesUntil } from './heartbeat.ts';
import type { Identity } from './identity.ts';
import { ReconnectPolicy } from './reconnect-policy.ts';
import type { WatchdogTimes } from './watchdog.ts';

/** Where a stream is and how it is opened. */
export interface StreamTarget {
  apiBase: URL;
  url: URL;
  identity: Identity;
  /** Puts the key into the query instead of a header, for a server that reads it nowhere else. */
  authInQuery: boolean;
  /** PEM certificates to trust instead of the public ones. */
  ca: string | readonly string[] | undefined;
  /** Milliseconds until the headers of an answer must be there. */
  connectTimeoutMs: number;
  /** Milliseconds a stream may bring nothing. Default: 2.5 heartbeats of the server. */
  watchdogMs: number | undefined;
  /** Asks the same backend by other means: the two do not ask it more often together than one of them alone. */
  backend: Pick<Transport, 'knock' | 'heard'> | undefined;
}

/** A transport that says to wait longer is asked again all the same. */
const LONGEST_TURN_MS = 60_000;
/** Whoever holds the key looks into a file, or asks somebody near. */
const LOOK_MS = 10_000;
/** Others may try a refused key this long, and up to five times as long, before the stream does it itself. */
const OTHERS_MS = 1_000;

export interface StreamListener {
  /** Asked for each connection: the id after which the server is to go on. */
  resumeId(): string | undefined;
  /** The first bytes of a connection have come. */
  onUp(): void;
  /** Bytes have come; before the events in them. */
  onAlive(): void;
  /** No bytes for a while, and the stream is not yet given up. */
  onQuiet(): void;
  onEvent(event: StreamEvent): void;
  /** A connection ended, or none came about. The next follows in `retryInMs` milliseconds, or earlier. */
  onDown(error: CleoError, retryInMs: number): void;
}

/** A stream that is opened again for ever: each connection after the wait that the policy says. */
export class Stream {
  readonly #target: StreamTarget;
  readonly #listener: StreamListener;
  readonly #policy: ReconnectPolicy;
  readonly #alarm = new Alarm();
  readonly #random: () => number;
  #times: WatchdogTimes;
  /** There while a connection is attempted or open. */
  #attempt: AbortController | undefined;
  /** Since the first bytes of the connection, by the monotonic clock. */
  #upAt: number | undefined;
  /** What the latest connection authenticated with. */
  #key: Secret | undefined;
  /** The wait under way follows a key that was refused, or a stream that is not there: a new key ends it. */
  #endsWithNewKey = false;
  /** The key of the latest connection had just taken the place of a refused one. */
  #isAnother = false;
  /** The wait under way ends as soon as the key is not refused any more. */
  #endsWithGoodKey = false;

  constructor(target: StreamTarget, listener: StreamListener, random: () => number = Math.random) {
    this.#target = target;
    this.#listener = listener;
    this.#random = random;
    this.#policy = new ReconnectPolicy(random);
    this.#times = target.watchdogMs === undefined ? timesFor() : timesUntil(target.watchdogMs);
  }

  /** Bytes have come on the connection that is open. */
  get up(): boolean {
    return this.#upAt !== undefined;
  }

  /** Its connection authenticated with another key than the current one. */
  get outdated(): boolean {
    return this.#key !== undefined && this.#key.reveal() !== this.#target.identity.apiKey().reveal();
  }

  /** Works until `signal` aborts; nothing of it is left when the promise resolves. To be called once. */
  async run(signal: AbortSignal): Promise<void> {
    while (await this.#turn(signal)) {
      const error = await this.#connect(signal);
      const goodMs = this.#upAt === undefined ? 0 : performance.now() - this.#upAt;
      this.#upAt = undefined;
      if (signal.aborted) return;
      this.#endsWithNewKey = isAuthError(error) || error.code === 'E_STREAM_UNAVAILABLE';
      const isReplaced = await this.#isReplaced(error, signal);
      if (signal.aborted) return;
      const retryInMs = isReplaced && !this.#isAnother ? 0 : this.#policy.delay(error, goodMs);
      this.#isAnother = isReplaced;
      this.#listener.onDown(error, retryInMs);
      await this.#alarm.wait(retryInMs, signal);
      this.#endsWithNewKey = false;
    }
  }

  /** Gives up the connection, if there is one, and opens the next. */
  restart(reason: CleoError): void {
    this.#attempt?.abort(reason);
  }

  /** The key may have changed: what was refused, or not found, is tried with it at once. */
  keyChanged(): void {
    const ends = this.#endsWithGoodKey
      ? this.#refusedForMs() === undefined
      : this.#endsWithNewKey && this.outdated;
    if (ends) this.#alarm.ring();
  }

  /** Waits until the backend may be asked. `false`: it need not be any more. */
  async #turn(signal: AbortSignal): Promise<boolean> {
    const { backend } = this.#target;
    await this.#leaveToOthers(signal);
    for (let ms = backend?.knock?.() ?? 0; ms > 0 && !signal.aborted; ms = backend?.knock?.() ?? 0)
      await this.#alarm.wait(Math.min(ms * (1 + this.#random() / 10), LONGEST_TURN_MS), signal);
    return !signal.aborted;
  }

  /** A key that is refused is tried now and then, and not by everybody: here only while nobody else does. */
  async #leaveToOthers(signal: AbortSignal): Promise<void> {
    let ms = this.#refusedForMs();
    if (ms === undefined) return;
    this.#endsWithGoodKey = true;
    do {
      await this.#alarm.wait(ms + OTHERS_MS * (1 + 4 * this.#random()), signal);
      ms = this.#refusedForMs();
    } while (ms !== undefined && ms > 0 && !signal.aborted);
    this.#endsWithGoodKey = false;
  }

  #refusedForMs(): number | undefined {
    try {
      return this.#target.identity.retryInMs();
    } catch {
      // Whoever holds the key cannot be asked for it: the next connection fails with that.
      return undefined;
    }
  }

  /** One connection. Resolves with the reason of its end. */
  async #connect(signal: AbortSignal): Promise<CleoError> {
    const { identity, url, authInQuery, ca, connectTimeoutMs: timeoutMs } = this.#target;
    const own = new AbortController();
    const onAbort = () => own.abort(signal.reason);
    signal.addEventListener('abort', onAbort);
    this.#attempt = own;
    this.#policy.begin();
    let learning: Promise<void> | undefined;
    try {
      const apiKey = identity.apiKey();
      this.#key = apiKey;
      const lastEventId = this.#listener.resumeId();
      const request = { url, agentId: identity.agentId, apiKey, authInQuery, lastEventId, ca, timeoutMs };
      const connection = new Connection(request, this.#times, {
        onBytes: () => {
          const first = !this.up;
          this.#upAt ??= performance.now();
          this.#listener.onAlive();
          if (!first) return;
          this.#target.backend?.heard?.();
          this.#listener.onUp();
          learning = this.#learn(connection, own.signal);
        },
        onQuiet: () => this.#listener.onQuiet(),
        onEvent: (event) => this.#listener.onEvent(event),
        onRetry: (ms) => this.#policy.setBase(ms),
      });
      return await connection.run(own.signal);
    } catch (error) {
      return asTransportError(error, label(url));
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#attempt = undefined;
      own.abort();
      await learning;
    }
  }

  /** Takes the time until silence from the server, which may have become another. Never rejects. */
  async #learn(connection: Connection, signal: AbortSignal): Promise<void> {
    const { apiBase, ca, connectTimeoutMs: timeoutMs, watchdogMs } = this.#target;
    if (watchdogMs !== undefined) return;
    const heartbeatMs = await announcedHeartbeat(apiBase, { ca, timeoutMs }, signal);
    if (heartbeatMs === undefined || signal.aborted) return;
    this.#times = timesFor(heartbeatMs);
    connection.setTimes(this.#times);
  }

  /** Whether the key that was refused is not the current one any more; whoever holds that looks for another. */
  async #isReplaced(error: CleoError, signal: AbortSignal): Promise<boolean> {
    if (!isAuthError(error)) return false;
    try {
      if (this.outdated) return true;
      const looking = this.#target.identity.refused(this.#key!, error);
      return await withDeadline(looking, LOOK_MS, () => error, signal);
    } catch {
      // Whoever holds the key cannot be asked for it: the next connection fails with that.
      return false;
    }
  }
}
