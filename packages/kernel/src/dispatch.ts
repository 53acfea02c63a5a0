import { type ConduitMessage, messageKey } from '@cleocode/contracts';
import { KernelError } from './errors.ts';
import type { KernelInbox, Refusal } from './inbox/inbox.ts';

/** How a message ended that was handed in with {@link Kernel.dispatch}. */
export type DispatchResult =
  | { status: 'done' }
  /** Finished before, in this run or an earlier one: no handler saw it again. */
  | { status: 'known' }
  /** A handler dropped it on purpose. */
  | { status: 'dropped'; plugin: string; reason: string }
  /** Its conversation is set aside: it is handled once that goes on. */
  | { status: 'held'; conversation: string }
  | { status: 'dead'; error: string; attempts: number };

/** Hands one message to the inbox and waits for its end; rejects when it is refused, or when `ended` aborts first. */
export function dispatch(
  inbox: KernelInbox,
  message: ConduitMessage,
  ended: AbortSignal,
): Promise<DispatchResult> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      stopObserving();
      ended.removeEventListener('abort', onEnded);
    };
    const settle = (result: DispatchResult): void => {
      end();
      resolve(result);
    };
    const onEnded = (): void => {
      end();
      reject(unfinished(message));
    };
    const stopObserving = inbox.observe((event) => {
      if (!('message' in event) || typeof event.message === 'string') return;
      if (messageKey(event.message) !== messageKey(message)) return;
      if (event.type === 'done' || event.type === 'known') settle({ status: event.type });
      if (event.type === 'dropped') settle({ status: 'dropped', plugin: event.plugin, reason: event.reason });
      if (event.type === 'held') settle({ status: 'held', conversation: event.conversation });
      if (event.type === 'dead') settle({ status: 'dead', error: event.error, attempts: event.attempts });
    });
    ended.addEventListener('abort', onEnded);
    const refusal = inbox.offer(message);
    if (refusal === undefined) return;
    end();
    reject(refused(message, refusal));
  });
}

const REFUSALS: Record<Refusal, { why: string; hint: string }> = {
  closed: { why: 'the kernel is not running', hint: 'Dispatch between start() and stop().' },
  invalid: { why: 'it has no id, sender or text content', hint: 'Give it id, from and content.' },
  own: { why: 'it is from this agent itself', hint: 'An agent does not handle what it sent.' },
  duplicate: { why: 'it is in flight already', hint: 'Wait for the first dispatch of it.' },
  full: { why: 'the inbox is full', hint: 'Wait for room with inbox.waitForRoom, and try again.' },
};

function refused(message: ConduitMessage, refusal: Refusal): KernelError {
  const { why, hint } = REFUSALS[refusal];
  return new KernelError('E_KERNEL_STATE', `message ${message.id} was not taken: ${why}`, { hint });
}

function unfinished({ id }: ConduitMessage): KernelError {
  return new KernelError('E_KERNEL_STATE', `the kernel stopped before message ${id} was finished`, {
    hint: 'Dispatch it again after the next start: what was finished meanwhile is known.',
  });
}
