export * from './agent.ts';
export * from './aside.ts';
export * from './auth.ts';
export * from './endpoint.ts';
export * from './errors.ts';
export * from './hops.ts';
export * from './inbox.ts';
export * from './intake.ts';
export * from './journal.ts';
export * from './key-rotation.ts';
export * from './mentions.ts';
export * from './message.ts';
export * from './problem.ts';
export * from './realtime.ts';
export * from './redact.ts';
export * from './retry-after.ts';
export * from './secret.ts';

/**
 * The services that the runtime's own plugins give and need, as tokens for the `requires`, `optional`, `late` and `provides` of a
 * plugin.
 */
export * as services from './service.ts';
export { defineService, type ServiceOf, type ServiceRef } from './service.ts';
export * from './stall.ts';
export * from './timing.ts';
export * from './transport.ts';
export * from './transport-call.ts';
export * from './wire.ts';
export * from './wire-http.ts';
export * from './wire-requests.ts';
