import type { Database } from '@cleocode/sqlite';

/** What the parts of the dock share. */
export interface Context {
  readonly db: Database;
  /** Epoch milliseconds. */
  now(): number;
  /** Something was sent: those who listen in this process hear it now. */
  sent(): void;
}
