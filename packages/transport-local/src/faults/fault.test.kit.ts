import { CleoError, type ConduitMessage } from '@cleocode/contracts';
import type { Line } from '../line.test.kit.ts';
import type { LocalTransport } from '../local-transport.ts';

export type Methods = Omit<LocalTransport, 'name'>;

interface Surroundings {
  line: Line;
  /** As they are before any fault: every transport there is so far, this one included. */
  others: readonly Methods[];
}

export interface Fault {
  /** Completes "a transport that …". */
  what: string;
  /** The name of the row that catches it. */
  caughtBy: string;
  /** What it does instead; `t` is the transport without the fault. Called once for each transport. */
  methods(t: Methods, surroundings: Surroundings): Partial<Methods>;
  /** The code that the row rejects with. */
  code: string;
}

export function fault(
  what: string,
  caughtBy: string,
  methods: Fault['methods'],
  code = 'ERR_ASSERTION',
): Fault {
  return { what, caughtBy, methods, code };
}

/** Every page is changed on its way in. */
export function polled(change: (messages: ConduitMessage[]) => ConduitMessage[]): Fault['methods'] {
  return (t) => ({ poll: async (options) => change(await t.poll(options)) });
}

/** Every text is changed on its way out. */
export function pushed(change: (content: string) => string): Fault['methods'] {
  return (t) => ({ push: (to, content, options) => t.push(to, change(content), options) });
}

/** A refused push rejects with something else. */
export function refused(instead: (code: string, error: Error) => Error): Fault['methods'] {
  return (t) => ({
    push: (...given) =>
      t.push(...given).catch((error) => {
        throw instead(error.code, error);
      }),
  });
}

/** A push into a conversation that is refused with `code` goes to the agent itself. */
export function elsewhere(code: string): Fault['methods'] {
  return (t) => ({
    push: (to, content, options) =>
      t.push(to, content, options).catch((error) => {
        if (CleoError.is(error, code)) return t.push(to, content);
        throw error;
      }),
  });
}

export function ackForAll(others: readonly Methods[]): Methods['ack'] {
  return async (ids) => {
    for (const other of others) await other.ack(ids);
  };
}

/** The answer to a push that never happened. */
export function unsent(): { messageId: string; conversationId: string } {
  return { messageId: `made up ${Math.random()}`, conversationId: 'c' };
}

export function message(content: string): ConduitMessage {
  return { id: content, from: 'someone', content, timestamp: '' };
}
