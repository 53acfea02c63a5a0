import type { ConduitMessage } from '@cleocode/contracts';
import { pause } from '@cleocode/contracts';
import { EXIT } from '../exit-code.ts';
import { failureOf } from '../failure.ts';
import { during } from '../progress.ts';
import { onStopSignal } from '../signals.ts';
import { excerpt, printable } from '../terminal-text.ts';
import type { Chat } from './chat.ts';
import { linesOf } from './lines-of.ts';

const WAIT_MS = 5_000;

/**
 * Sends each line of stdin as a message and shows what comes back; after the end of stdin until each has its answer, or for as
 * long as was asked for.
 */
export async function byLines({ output, partner, absence, options, open }: Chat): Promise<void> {
  const ended = new AbortController();
  const unanswered = new Set<string>();
  const answeredEarly = new Set<string>();
  let sent = 0;
  let answered = 0;
  let complete = new AbortController();

  const show = (event: 'history' | 'reply', message: ConduitMessage): void => {
    const { id, from, content, threadId, replyTo, timestamp } = message;
    const mark = from === partner ? output.style('cyan', '←') : '>';
    output.result(
      { event, id, from, content, threadId, replyTo, timestamp },
      `${mark} ${printable(from)}: ${excerpt(content)}`,
    );
  };
  const conversation = open({
    async onReply(message) {
      show('reply', message);
      await output.flushed();
      const { replyTo } = message;
      if (typeof replyTo !== 'string') return;
      // A quick answer is here before the backend has said which message it took.
      if (unanswered.delete(replyTo)) answered += 1;
      else answeredEarly.add(replyTo);
      if (unanswered.size === 0) complete.abort();
    },
    onTrouble(error) {
      if (error) output.note(`replies cannot be read now: ${printable(failureOf(error).message)}`);
    },
  });
  const send = async (content: string): Promise<void> => {
    const { messageId: id, conversationId } = await conversation.send(content);
    sent += 1;
    if (answeredEarly.delete(id)) answered += 1;
    else unanswered.add(id);
    if (output.json) output.line({ event: 'sent', id, to: partner, content, conversationId });
  };

  const unbind = onStopSignal(
    () => ended.abort(),
    () => process.exit(EXIT.interrupted),
  );
  output.onReaderGone = () => ended.abort();
  if (absence) output.note(absence);
  for (const { message, unread } of await conversation.recent(options.history ?? 0))
    show(unread ? 'reply' : 'history', message);
  const following = conversation.follow(ended.signal);
  following.catch(() => ended.abort());
  try {
    for await (const line of untilAborted(linesOf(process.stdin), ended.signal)) {
      if (line.trim() === '/quit') break;
      if (line.trim() !== '') await send(line);
    }
    const waitMs = options.wait ?? (absence === undefined ? WAIT_MS : 0);
    if (unanswered.size > 0 && !ended.signal.aborted) {
      complete = new AbortController();
      await during(output, `waiting for ${partner}`, () =>
        pause(waitMs, AbortSignal.any([ended.signal, complete.signal])),
      );
    }
    ended.abort();
    await following;
    await conversation.close().catch(() => {});
    if (output.json) output.line({ ok: true, conversationId: conversation.conversationId, sent, answered });
    else if (unanswered.size > 0 && waitMs > 0)
      output.note(
        `No answer to ${unanswered.size} of ${sent} within ${waitMs / 1_000} s. Wait longer: --wait 60`,
      );
  } finally {
    ended.abort();
    unbind();
  }
}

/** The same, ending early and leaving the rest unread when `signal` aborts. */
async function* untilAborted<T>(items: AsyncGenerator<T>, signal: AbortSignal): AsyncGenerator<T> {
  const aborted = new Promise<IteratorResult<T>>((resolve) => {
    signal.addEventListener('abort', () => resolve({ done: true, value: undefined }), { once: true });
  });
  while (!signal.aborted) {
    const { done, value } = await Promise.race([items.next(), aborted]);
    if (done) return;
    yield value;
  }
}
