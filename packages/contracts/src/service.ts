import type { Agent, AgentRegistryAPI } from './agent.ts';
import type { Inbox } from './inbox.ts';
import type { IntakeMonitor } from './intake.ts';
import type { Journal } from './journal.ts';
import type { Realtime } from './realtime.ts';
import type { Transport } from './transport.ts';

declare const type: unique symbol;

/** A typed token for something one plugin provides and others need. Two tokens of one id are the same service. */
export interface ServiceRef<T> {
  readonly id: string;
  /** Carries the type; never present at run time. */
  readonly [type]?: T;
}

/** What a plugin is given for a token. */
export type ServiceOf<R> = R extends ServiceRef<infer T> ? T : never;

/**
 * Makes a token. Matched by `id`, not by identity: two copies of a package still agree. Prefix third-party ids with the
 * package name.
 */
export function defineService<T>(id: string): ServiceRef<T> {
  return Object.freeze({ id });
}

/**
 * How messages reach and leave the agent. One plugin provides it, or `transport` of the configuration is it; it is connected from
 * `init` on.
 */
export const transport = defineService<Transport>('transport');

/** Who the agent is, and the key that is in use now. Ask it for each request: a rotation is visible at once. */
export const agent = defineService<Agent>('agent');

/** The stored credentials of the agents of this folder, or of a registry of another make. */
export const registry = defineService<AgentRegistryAPI>('registry');

/**
 * Attempts, keys already done, cursors and dead letters. The kernel's own, in memory, unless a plugin such as the store provides
 * one.
 */
export const journal = defineService<Journal>('journal');

/** Where every source hands in what it received. The kernel's own. */
export const inbox = defineService<Inbox>('inbox');

/** Tells whether the agent hears. The poller provides it. */
export const intake = defineService<IntakeMonitor>('intake');

/** Tells whether messages arrive without asking. The stream provides it. */
export const realtime = defineService<Realtime>('realtime');
