import type { Problem } from './problem.ts';

/** What the intake knows of itself: what presence tells others must come from here. */
export interface IntakeHealth {
  /** Milliseconds since a source last proved that what is sent to the agent arrives; absent before the first proof. */
  lastReceiveAgeMs?: number;
  /** How old that proof may become while all is well, in milliseconds. */
  budgetMs: number;
  /** What keeps messages from arriving now; absent while they arrive. */
  problem?: Problem;
}

/** Tells whether the agent hears. A process that runs is no proof of that. */
export interface IntakeMonitor {
  health(): IntakeHealth;
}
