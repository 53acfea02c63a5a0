import type { RequestOptions, Transport } from '../../transport.ts';
import { contents } from './assertions.ts';

type Call = [member: string, call: () => Promise<unknown>];

/** A call of each member that asks the backend, as far as the transport has it; `bob` must be registered. */
export function everyCall(transport: Transport, options: RequestOptions = {}): Call[] {
  const { fetchConversation, heartbeat, setStatus, isOnline, rotateKey, verifyKey } = transport;
  const calls: [member: string, call: (() => Promise<unknown>) | undefined][] = [
    ['push', () => transport.push('bob', 'hello', options)],
    ['poll', () => transport.poll(options)],
    ['ack', () => transport.ack(['m'], options)],
    ['fetchConversation', fetchConversation && (() => fetchConversation.call(transport, ['c'], options))],
    ['heartbeat', heartbeat && (() => heartbeat.call(transport, { status: 'online' }, options))],
    ['setStatus', setStatus && (() => setStatus.call(transport, { status: 'busy' }, options))],
    ['isOnline', isOnline && (() => isOnline.call(transport, 'bob', options))],
    ['rotateKey', rotateKey && (() => rotateKey.call(transport, options))],
    ['verifyKey', verifyKey && (() => verifyKey.call(transport, 'sk_test_unknown', options))],
  ];
  return calls.filter((entry): entry is Call => entry[1] !== undefined);
}

export function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${n + 1}`);
}

/** Numbers as contents, all on their way at once, a hundred at a time. */
export async function pushMany(from: Transport, to: string, count: number): Promise<void> {
  const all = numbers(count);
  while (all.length > 0) await Promise.all(all.splice(0, 100).map((content) => from.push(to, content)));
}

/** The contents of everything unread, acked page by page; one too many ends it. */
export async function receiveAll(transport: Transport, limit: number, expected: number): Promise<string[]> {
  const seen: string[] = [];
  for (let page = await transport.poll({ limit }); page.length > 0; page = await transport.poll({ limit })) {
    seen.push(...contents(page));
    if (seen.length > expected) break;
    await transport.ack(page.map(({ id }) => id));
  }
  return seen;
}
