import {
  backoff,
  isThenable,
  type Journal,
  type MaybePromise,
  type Problem,
  pause,
} from '@cleocode/contracts';
import { journalFailing, journalStalled, type Problems } from './problems.ts';

/** What an operation answers when the inbox gave up before the journal worked. */
export const GAVE_UP = Symbol('gave up');

type Operation<T> = (journal: Journal, key: string) => MaybePromise<T>;

const RETRY_BASE_MS = 250;
const RETRY_CAP_MS = 5_000;
const STALLED_MS = 10_000;

/**
 * The journal, asked until it answers: a message whose handlers have finished must not be handed to them again for want of
 * a disk. While it fails, the problem is reported; nothing is acked, because nothing comes back from here.
 */
export class PatientJournal {
  readonly #journal: Journal;
  readonly #problems: Problems;
  readonly #givenUp: AbortSignal;
  readonly #whose: string;
  /** Operations that have failed or stalled and not worked since: the trouble lasts as long as any of them. */
  #troubled = 0;

  constructor(journal: Journal, problems: Problems, givenUp: AbortSignal, provider?: string) {
    this.#journal = journal;
    this.#problems = problems;
    this.#givenUp = givenUp;
    this.#whose = provider === undefined ? 'the journal' : `the journal of ${provider}`;
  }

  /** Answers without a promise when the journal does: the hot path of a journal in memory. */
  ask<T>(operation: Operation<T>, key: string): MaybePromise<T | typeof GAVE_UP> {
    let answer: MaybePromise<T>;
    try {
      answer = operation(this.#journal, key);
    } catch (error) {
      answer = Promise.reject(error);
    }
    return isThenable(answer) ? this.#persist(answer as Promise<T>, operation, key) : answer;
  }

  async #persist<T>(first: Promise<T>, operation: Operation<T>, key: string): Promise<T | typeof GAVE_UP> {
    let troubled = false;
    const trouble = (problem: Problem): void => {
      if (!troubled) this.#troubled += 1;
      troubled = true;
      this.#problems.report(problem);
    };
    let answer: MaybePromise<T> = first;
    for (let failures = 0; ; failures++) {
      try {
        const value = await this.#orStalled(answer, trouble);
        if (troubled) this.#troubled -= 1;
        if (troubled && this.#troubled === 0) this.#problems.resolve('storage');
        return value;
      } catch (error) {
        trouble(journalFailing(this.#whose, error));
        await pause(backoff(failures, RETRY_BASE_MS, RETRY_CAP_MS), this.#givenUp);
        if (this.#givenUp.aborted) return GAVE_UP;
      }
      answer = (async () => operation(this.#journal, key))();
    }
  }

  /** A journal that does not answer must not be asked again, it may be at work; but somebody should know. */
  async #orStalled<T>(answer: MaybePromise<T>, trouble: (problem: Problem) => void): Promise<T> {
    const timer = setTimeout(() => {
      if (!this.#givenUp.aborted) trouble(journalStalled(this.#whose, STALLED_MS));
    }, STALLED_MS);
    // It ends no wait: a process that has nothing else to do may exit.
    timer.unref();
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
    }
  }
}
