import { errorText, type Inbox, type IntakeMonitor, type Problem, type Realtime } from '@cleocode/contracts';

/** Who knows whether messages reach the agent. Whoever is missing has nothing to say against it. */
export interface HearingSources {
  intake?: IntakeMonitor | undefined;
  inbox?: Pick<Inbox, 'stats' | 'room'> | undefined;
  /** Asked only where there is no intake: an intake hears without a stream. */
  realtime?: Pick<Realtime, 'state' | 'lastReceiveAgeMs'> | undefined;
}

/** Something that keeps the agent from hearing. */
export interface Obstacle {
  problem: Problem;
  /** What others are told: no more than the code and a sentence of ours, for messages may name files of this machine. */
  reason: string;
}

/** Past its budget twice, a proof of receive proves nothing any more. */
const BUDGETS = 2;
/** An inbox that has been full for this long is not merely busy with a burst. */
const FULL_MS = 2_000;

/** Whether the agent hears: from proofs of receive, never from the fact that a timer still fires. */
export class Hearing {
  readonly #sources: HearingSources;
  readonly #connectMs: number;
  #beganAt = performance.now();
  #stall: { endedAt: number; gapMs: number } | undefined;
  #streamed = false;
  readonly #since = new Map<string, number>();

  /** `connectMs`: how long a stream may take to come up at first. */
  constructor(sources: HearingSources, connectMs: number) {
    this.#sources = sources;
    this.#connectMs = connectMs;
  }

  /** What should have been heard by now counts from here. */
  begin(): void {
    this.#beganAt = performance.now();
  }

  /** The process stood still: what was proven before is proven no more. */
  mistrust(gapMs: number): void {
    this.#stall = { endedAt: performance.now(), gapMs };
  }

  /** What keeps the agent from hearing now, the most telling first; nothing while it hears. */
  obstacles(): Obstacle[] {
    const { intake, inbox, realtime } = this.#sources;
    try {
      return [
        ...(inbox ? this.#inInbox(inbox) : []),
        ...(intake ? this.#inIntake(intake) : realtime ? this.#inStream(realtime) : []),
      ];
    } catch (error) {
      // Others must not be told "online" because the one who knows better is broken.
      const message = `it cannot be told whether messages arrive: ${errorText(error)}`;
      return [obstacle({ code: 'monitor_failed', message }, 'it is not known whether messages arrive')];
    }
  }

  #inInbox(inbox: Pick<Inbox, 'stats' | 'room'>): Obstacle[] {
    const found = inbox
      .stats()
      .problems.map(({ sinceMs: _, ...problem }) => obstacle(problem, 'messages cannot be handled'));
    if (this.#lasting('full', inbox.room === 0) > FULL_MS)
      found.push(
        obstacle(
          {
            code: 'inbox_full',
            message: 'the inbox takes no more messages until some are handled',
            hint: 'The handlers are slower than the messages come.',
          },
          'no room for more messages',
        ),
      );
    return found;
  }

  #inIntake(intake: IntakeMonitor): Obstacle[] {
    const { lastReceiveAgeMs, budgetMs, problem } = intake.health();
    const failingMs = this.#lasting('intake', problem !== undefined);
    if (problem && failingMs > budgetMs) return [obstacle(problem, 'messages do not arrive')];
    const stalled = this.#stalled(lastReceiveAgeMs);
    if (stalled) return stalled;
    const age = lastReceiveAgeMs ?? performance.now() - this.#beganAt;
    return age > BUDGETS * budgetMs ? [notReceiving(age, BUDGETS * budgetMs)] : [];
  }

  #inStream({ state, lastReceiveAgeMs }: Pick<Realtime, 'state' | 'lastReceiveAgeMs'>): Obstacle[] {
    if (state === 'live') {
      this.#streamed = true;
      return this.#stalled(lastReceiveAgeMs) ?? [];
    }
    const first = state === 'connecting' && !this.#streamed;
    if (first && performance.now() - this.#beganAt <= this.#connectMs) return [];
    return [
      obstacle(
        { code: 'stream_down', message: `the stream is ${state}, and nothing else brings messages` },
        'messages do not arrive',
      ),
    ];
  }

  #stalled(lastReceiveAgeMs: number | undefined): Obstacle[] | undefined {
    if (!this.#stall) return undefined;
    const { endedAt, gapMs } = this.#stall;
    if (lastReceiveAgeMs !== undefined && performance.now() - lastReceiveAgeMs > endedAt) {
      this.#stall = undefined;
      return undefined;
    }
    const message = `the process stood still for ${seconds(gapMs)}, and has not heard from the backend since`;
    return [obstacle({ code: 'stalled', message }, 'stood still, and has not heard anything since')];
  }

  /** For how many milliseconds this has been so, as far as was looked. */
  #lasting(what: string, isSo: boolean): number {
    if (!isSo) {
      this.#since.delete(what);
      return 0;
    }
    const now = performance.now();
    const since = this.#since.get(what) ?? now;
    this.#since.set(what, since);
    return now - since;
  }
}

function notReceiving(ageMs: number, allowedMs: number): Obstacle {
  return obstacle(
    {
      code: 'not_receiving',
      message: `nothing has proven for ${seconds(ageMs)} that messages arrive (allowed: ${seconds(allowedMs)})`,
      hint: 'Look at what the intake waits for; restart the agent if it does not go on by itself.',
    },
    'nothing proves that messages arrive',
  );
}

function obstacle(problem: Problem, sentence: string): Obstacle {
  return { problem, reason: `${problem.code}: ${sentence}` };
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
