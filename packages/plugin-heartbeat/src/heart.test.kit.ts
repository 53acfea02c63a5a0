import type { PresenceReport, RequestOptions } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import { vi } from 'vitest';

export interface Said extends PresenceReport {
  /** On the monotonic clock. */
  at: number;
  method: 'heartbeat' | 'setStatus';
}

/** A transport with presence: it records every report, also those it then fails to deliver. */
export class PresenceTransport extends MockTransport {
  readonly said: Said[] = [];
  /** Runs before a report is taken; `nth` counts from 0. */
  answer: (nth: number, report: PresenceReport, signal: AbortSignal) => Promise<void> | void = () => {};

  heartbeat(report: PresenceReport, options?: RequestOptions): Promise<void> {
    return this.#take('heartbeat', report, options);
  }

  setStatus(report: PresenceReport, options?: RequestOptions): Promise<void> {
    return this.#take('setStatus', report, options);
  }

  async #take(method: Said['method'], report: PresenceReport, options: RequestOptions = {}): Promise<void> {
    this.said.push({ at: performance.now(), method, ...report });
    await this.answer(this.said.length - 1, report, options.signal!);
  }

  get statuses(): string[] {
    return this.said.map(({ status }) => status);
  }

  /** How long it was between one report and the next, in milliseconds. */
  get waits(): number[] {
    return this.said.slice(1).map(({ at }, index) => at - this.said[index]!.at);
  }
}

/** Rejects when `signal` aborts, and otherwise never settles: a request into a black hole. */
export function blackHole(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
}

/** Waits for a condition, long enough for a machine that is busy with something else. */
export function until(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  return vi.waitUntil(condition, { interval: 10 });
}
