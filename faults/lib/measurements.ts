import { ok } from 'node:assert/strict';

/** What a scenario has measured, and stands below it in what the run prints. */
export class Measurements {
  readonly figures: string[] = [];

  measured(figure: string): void {
    this.figures.push(figure);
  }

  /** Asserts that no more than `most` milliseconds passed from `since`, by the monotonic clock, until `at`. */
  within(most: number, since: number, what: string, at = performance.now()): void {
    const took = Math.round(at - since);
    ok(took <= most, `${what}: ${took} ms, allowed are ${most}`);
    this.measured(`${what}: ${took} of ${most} ms`);
  }
}
