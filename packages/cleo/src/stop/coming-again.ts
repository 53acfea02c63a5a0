import type { StopReport } from '@cleocode/kernel';
import { printable } from '../terminal-text.ts';

/** What a stop did not wait for, for a person. */
export function comingAgain(released: StopReport['released']): string {
  const messages = `${released.length} ${released.length === 1 ? 'message' : 'messages'}`;
  const plugins = new Set(
    released.flatMap(({ plugin }) => (plugin === undefined ? [] : [printable(plugin)])),
  );
  const who = plugins.size === 0 ? '' : `, not finished by ${[...plugins].join(', ')}`;
  return `${messages} will come again${who}`;
}
