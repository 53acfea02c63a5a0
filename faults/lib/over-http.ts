import type { Workbench } from './workbench.ts';

export const POLL = '/messages/peek';
export const ACK = '/messages/ack';
/** For an agent that should be met in the middle of its work. */
export const FAST = ['--poll-interval', '200'];

/** Sends to the agent past the network, as another process of the server's machine would. */
export function sendTo(bench: Workbench, count: number): Promise<string[]> {
  return bench.send({ from: ['alice'], to: 'prime', count, rate: 0, content: '#n' });
}
