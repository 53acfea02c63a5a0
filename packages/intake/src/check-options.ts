import { type CleoError, MAX_TIMER_MS, type Transport } from '@cleocode/contracts';

interface Checked {
  agentId: string;
  transport: Pick<Transport, 'ack'>;
}

/**
 * Throws what `unusable` makes of the first option that cannot be used: an agent id or a transport that is missing, or one of
 * `numbers` that is given and not above 0, or longer than a timer can wait.
 */
export function checkOptions<Options extends Checked>(
  options: Options,
  numbers: readonly (keyof Options & string)[],
  unusable: (what: string, hint: string) => CleoError,
): void {
  const { agentId, transport } = options;
  if (!agentId) throw unusable('agentId is missing', 'Give the id of the agent whose messages these are.');
  if (typeof transport?.ack !== 'function')
    throw unusable('transport is missing', 'Give a connected transport, such as HttpTransport.');
  for (const name of numbers) {
    const value: unknown = options[name];
    if (value === undefined || (typeof value === 'number' && value > 0 && value <= MAX_TIMER_MS)) continue;
    throw unusable(`${name} is ${value}`, `Give a number above 0, at most ${MAX_TIMER_MS}, or leave it out.`);
  }
}
