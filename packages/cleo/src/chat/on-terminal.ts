import type { ConduitMessage } from '@cleocode/contracts';
import { EXIT } from '../exit-code.ts';
import { failureOf } from '../failure.ts';
import { during } from '../progress.ts';
import { onStopSignal } from '../signals.ts';
import { excerpt, printable } from '../terminal-text.ts';
import type { Chat } from './chat.ts';
import { ChatTerminal } from './terminal.ts';

const HISTORY = 5;

/** Talks until a person has had enough: what they type is sent, replies are shown above what they are typing. */
export async function onTerminal({ output, partner, speaker, absence, options, open }: Chat): Promise<void> {
  const ended = new AbortController();
  const end = (): void => ended.abort();
  let terminal: ChatTerminal | undefined;
  const faint = (text: string) => output.style('dim', text);
  const show = (text: string): void => (terminal ? terminal.show(text) : output.text(text));
  const said = ({ from, content }: ConduitMessage): string =>
    from === partner
      ? `${output.style('cyan', '←')} ${printable(from)}: ${excerpt(content)}`
      : faint(`> ${excerpt(content)}`);
  const tell = (what: string, error: unknown): void => {
    const { message, hint } = failureOf(error);
    const cure = hint ? `\n  → ${printable(hint)}` : '';
    show(`${output.style('red', '!')} ${what}: ${printable(message)}${cure}`);
  };

  const conversation = open({
    async onReply(message) {
      show(said(message));
      await output.flushed();
    },
    onTrouble(error) {
      if (error) tell('replies cannot be read now', error);
      else show(faint('Replies can be read again.'));
    },
  });
  output.text(faint(`Talking to ${partner} as ${speaker}. /quit or Ctrl-D ends it.`));
  const recent = await during(output, 'reading what was said last', () =>
    conversation.recent(options.history ?? HISTORY),
  );
  for (const { message } of recent) output.text(said(message));
  if (absence) output.text(`${output.style('yellow', '!')} ${absence}`);

  const unbind = onStopSignal(end, () => process.exit(EXIT.interrupted));
  output.onReaderGone = end;
  terminal = new ChatTerminal({
    input: process.stdin,
    output: process.stdout,
    prompt: '> ',
    continued: '… ',
    onText: (text) => void conversation.send(text).catch((error) => tell('not sent', error)),
    onEnd: end,
  });
  try {
    await conversation.follow(ended.signal);
  } finally {
    terminal.close();
    // What cannot be acknowledged is shown again next time.
    await during(output, 'sending', () => conversation.close().catch(() => {}));
    unbind();
  }
}
