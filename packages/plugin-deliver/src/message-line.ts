import type { Delivery } from '@cleocode/kernel';

/** What a terminal would act on instead of showing. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get through
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/** One line for a person: what a stranger sends can neither start a second line nor speak to the terminal. */
export function humanLine({ message }: Pick<Delivery, 'message'>): string {
  const { timestamp, from, threadId, content } = message;
  return [timestamp, from, ...(threadId ? [`[${threadId}]`] : []), content].map(visible).join(' ');
}

/** One line for a program: the `message` event of `cleo agent start --json`. */
export function jsonLine({ message, attempt }: Pick<Delivery, 'message' | 'attempt'>): string {
  const { id, from, content, threadId, groupId, timestamp } = message;
  return JSON.stringify({ event: 'message', id, from, content, threadId, groupId, attempt, timestamp });
}

export function visible(text: string): string {
  return text.replace(CONTROL, (character) => {
    if (character === '\n') return '\\n';
    if (character === '\t') return '\\t';
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
