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

export type ServiceOf<R> = R extends ServiceRef<infer T> ? T : never;

/**
 * Makes a token. Matched by `id`, not by identity: two copies of a package still agree. Prefix third-party ids with the
 * package name.
 */
export function defineService<T>(id: string): ServiceRef<T> {
  return Object.freeze({ id });
}

export const transport = defineService<Transport>('transport');
export const agent = defineService<Agent>('agent');
export const registry = defineService<AgentRegistryAPI>('registry');
export const journal = defineService<Journal>('journal');
export const inbox = defineService<Inbox>('inbox');
export const intake = defineService<IntakeMonitor>('intake');
export const realtime = defineService<Realtime>('realtime');
