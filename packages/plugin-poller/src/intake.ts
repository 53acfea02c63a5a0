import {
  type Agent,
  asTransportError,
  CleoError,
  type ConduitMessage,
  errorText,
  type Inbox,
  type InboxEvent,
  type IntakeHealth,
  type IntakeMonitor,
  isAuthError,
  type Journal,
  problemOf,
  type Realtime,
  type Transport,
  watchForStalls,
} from '@cleocode/contracts';
import { Alarm, Condition, type IntakeReporter, retryDelay } from '@cleocode/intake';
import { DirectScan } from './direct-scan.ts';
import { GroupScan } from './group-scan.ts';
import { jittered, LONGEST_WAIT } from './jitter.ts';
import { PushGate } from './push-gate.ts';

/** How often, and what, an {@link Intake} polls. */
export interface IntakeSettings {
  /** Milliseconds from the end of one cycle to the beginning of the next, give or take a fifth. */
  intervalMs: number;
  /** The same while messages are proven to arrive without asking; groups are read in every fifth cycle then. */
  liveIntervalMs: number;
  /** The deadline of each request, in milliseconds. */
  timeoutMs: number;
  /** Conversations to follow for messages that mention the agent. */
  groups: readonly string[];
  /** How many of a group's newest messages count when it is followed for the first time. */
  groupPollLimit: number;
}

/** What an {@link Intake} works with. */
export interface IntakeOptions extends IntakeSettings {
  agentId: string;
  /** Connected already. */
  transport: Transport;
  /** Where the messages go. */
  inbox: Inbox;
  /** Keeps the positions of followed groups. */
  cursors: Pick<Journal, 'getCursor' | 'setCursor'>;
  /** Hears of refused keys, tells of new ones. */
  agent?: Pick<Agent, 'onChange' | 'reportUnauthorized'> | undefined;
  /** A stream beside the polling. */
  realtime?: Realtime | undefined;
  reporter: IntakeReporter;
}

/** How the polls do. */
export interface IntakeStatus {
  /** Milliseconds since the backend last answered a scan; absent before the first answer. */
  lastPollAgeMs?: number;
  /** What the polls fail with now; absent while they work. */
  lastError?: { code?: string; message: string };
  /** Failed polls in a row. */
  failures: number;
  /** Pushed messages go straight to the inbox. */
  pushLive: boolean;
}

/** A backend without cursors that shows a full window is looked at again this soon. */
const WINDOW_MS = 1_000;
/** A pushed message that had to wait for a scan waits no longer than this for the scan to begin. */
const BEHIND_MS = 1_000;
/** A process that stood still for longer than this has missed things: what it knew is looked up again. */
const STALL_MS = 5_000;
/**
 * While a live source brings what is new, the groups are read in every so many cycles: it brings the agent's own copies of what is
 * said there, and reading the groups themselves only makes sure.
 */
const LIVE_CYCLES_PER_GROUP_READ = 5;
/** A new key is tried this soon after the old one was refused, and not sooner: the next may be refused too. */
const NEW_KEY_MS = 1_000;

/**
 * Brings an agent's messages to an inbox: polls in cycles that never overlap, follows groups, and lets native push
 * through while it is safe. It acks nothing: that is the inbox's.
 */
export class Intake implements IntakeMonitor {
  readonly #options: IntakeOptions;
  readonly #direct: DirectScan;
  readonly #groups: GroupScan;
  readonly #gate: PushGate;
  readonly #alarm = new Alarm();
  readonly #polling: Condition;
  readonly #subscribing: Condition;
  #unsubscribe: (() => void) | undefined;
  /** Cycles until the groups are read, whatever is live; none once something may have been missed. */
  #groupsIn = 0;
  #answeredAt: number | undefined;

  constructor(options: IntakeOptions) {
    const { inbox, reporter } = options;
    this.#options = options;
    this.#direct = new DirectScan(options);
    this.#groups = new GroupScan(options);
    this.#polling = new Condition('poll', reporter);
    this.#subscribing = new Condition('push', reporter);
    this.#gate = new PushGate({
      deliver: (messages) => inbox.receive(messages, { name: 'push', ackable: true }).deferred.length === 0,
      onBehind: () => this.#lookSoon(BEHIND_MS),
    });
  }

  /** Works until `signal` aborts, then resolves once nothing of it is left. Call it once at a time. */
  async run(signal: AbortSignal): Promise<void> {
    const unlisten = this.#listen();
    try {
      while (!signal.aborted) {
        this.#subscribe(signal);
        await this.#alarm.wait(await this.#cycle(signal), signal);
      }
    } finally {
      for (const stop of unlisten) stop();
      this.#unsubscribe?.();
      this.#unsubscribe = undefined;
      this.#gate.close();
      await this.#groups.save();
    }
  }

  status(): IntakeStatus {
    const { error, failures } = this.#polling;
    return {
      ...(this.#answeredAt !== undefined && { lastPollAgeMs: performance.now() - this.#answeredAt }),
      ...(error !== undefined && { lastError: describe(error) }),
      failures,
      pushLive: this.#pushLive,
    };
  }

  /** A proof may be as old as the longest wait for the next scan and the time that one may take. */
  health(): IntakeHealth {
    const { timeoutMs } = this.#options;
    const { error } = this.#polling;
    const lastReceiveAgeMs =
      this.#answeredAt === undefined ? undefined : performance.now() - this.#answeredAt;
    return {
      ...(lastReceiveAgeMs !== undefined && { lastReceiveAgeMs }),
      budgetMs: Math.round(this.#intervalMs * LONGEST_WAIT + timeoutMs),
      ...(error !== undefined && { problem: problemOf(asTransportError(error, 'poll')) }),
    };
  }

  get #pushLive(): boolean {
    return this.#unsubscribe !== undefined && this.#gate.open;
  }

  /** One look at everything. Answers how long to wait before the next, in milliseconds; never rejects. */
  async #cycle(signal: AbortSignal): Promise<number> {
    const recovering = this.#polling.failures > 0;
    try {
      // A backend that is down is asked one thing, not several.
      const pages = recovering || !this.#groupsAreDue() ? [] : await this.#groups.read(signal);
      this.#gate.scanBegins();
      const { readAll, turnedAway, windowFull } = await this.#direct.scan(signal);
      this.#gate.scanEnds(readAll && turnedAway.size === 0);
      this.#answeredAt = performance.now();
      this.#polling.ok();
      const more = this.#groups.deliver(pages, (conversation) => readAll && !turnedAway.has(conversation));
      await this.#groups.save();
      if (more || this.#groups.failing) this.#groupsIn = 0;
      if (more || recovering) return 0;
      return windowFull ? Math.min(WINDOW_MS, this.#interval()) : this.#interval();
    } catch (error) {
      return signal.aborted ? 0 : this.#failed(error);
    }
  }

  /** Counts this cycle. */
  #groupsAreDue(): boolean {
    this.#groupsIn -= 1;
    if (this.#live && this.#groupsIn > 0) return false;
    this.#groupsIn = LIVE_CYCLES_PER_GROUP_READ;
    return true;
  }

  #failed(error: unknown): number {
    // Whatever was missed while the backend was away is found from the beginning, before any push.
    this.#mistrust();
    this.#gate.close();
    const wait = retryDelay(error, this.#polling.failures);
    this.#polling.fail(error);
    if (isAuthError(error)) this.#options.agent?.reportUnauthorized(error);
    return wait;
  }

  /** What is new is proven to arrive without asking. */
  get #live(): boolean {
    return this.#options.realtime?.state === 'live' || this.#pushLive;
  }

  get #intervalMs(): number {
    const { intervalMs, liveIntervalMs } = this.#options;
    return this.#live ? Math.max(intervalMs, liveIntervalMs) : intervalMs;
  }

  /** Something may have been missed: the next cycle reads all that is unread, and the groups. */
  #mistrust(): void {
    this.#direct.reset();
    this.#groupsIn = 0;
  }

  #interval(): number {
    return jittered(this.#intervalMs);
  }

  /** Everything that calls for a look before its time. */
  #listen(): (() => void)[] {
    const { inbox, realtime, agent } = this.#options;
    const listening = [
      inbox.observe((event) => {
        const mentionsFit = isFinished(event) && this.#groups.settled(event.message);
        if (mentionsFit) this.#groupsIn = 0;
        if (mentionsFit || event.type === 'room') this.#lookSoon(0);
      }),
      watchForStalls({ thresholdMs: STALL_MS }, () => {
        this.#mistrust();
        this.#lookSoon(0);
      }),
    ];
    if (realtime)
      listening.push(
        realtime.onChange((state) => {
          if (state === 'live') {
            // The cursor holds: whatever arrived since the last scan comes after it, also what the inbox turned away when
            // the stream brought it. So there is no need to read from the beginning, as the stream has just done.
            this.#groupsIn = 0;
            // Also during a backoff: the stream proves that the backend is back.
            this.#alarm.ring();
          } else {
            this.#mistrust();
            // Its other news must not shorten a backoff.
            this.#lookSoon(0);
          }
        }),
      );
    if (agent)
      listening.push(
        agent.onChange(() => {
          this.#groupsIn = 0;
          this.#groups.retryNow();
          if (isAuthError(this.#polling.error)) this.#alarm.ring(NEW_KEY_MS);
        }),
      );
    return listening;
  }

  /** Shortens the wait for the next cycle, except the one after a failure. */
  #lookSoon(ms: number): void {
    if (this.#polling.failures === 0) this.#alarm.ring(ms);
  }

  /** Before the first scan, so that nothing falls between the two. A subscription that fails is tried again each cycle. */
  #subscribe(signal: AbortSignal): void {
    const { transport } = this.#options;
    if (this.#unsubscribe || !transport.subscribe) return;
    try {
      this.#unsubscribe = transport.subscribe((message: ConduitMessage) => {
        if (!signal.aborted) this.#gate.push(message);
      });
      this.#subscribing.ok();
    } catch (error) {
      this.#subscribing.fail(error);
    }
  }
}

function isFinished(
  event: InboxEvent,
): event is Extract<InboxEvent, { type: 'done' | 'dead' | 'dropped' | 'known' }> {
  return ['done', 'dead', 'dropped', 'known'].includes(event.type);
}

function describe(error: unknown): NonNullable<IntakeStatus['lastError']> {
  return { ...(CleoError.is(error) && { code: error.code }), message: errorText(error) };
}
