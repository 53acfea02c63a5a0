import { type ConduitMessage, MAX_CONTENT_BYTES, type Transport } from '@cleocode/contracts';
import type { Backend } from '@cleocode/runtime/transport';
import { agentOrLatest, checkAgentId, isLocal, runningPid } from '../agents.ts';
import { asYou, you } from '../as-you.ts';
import type { Cli } from '../cli.ts';
import { metadataOfHandler } from '../environment.ts';
import type { Output } from '../output.ts';
import { during } from '../progress.ts';
import { nextReply } from '../reply.ts';
import { selfCommand } from '../self-command.ts';
import { type State, withState } from '../state.ts';
import { readAll } from '../stdin.ts';
import { excerpt, printable } from '../terminal-text.ts';
import { UsageError } from '../usage-error.ts';

export interface SendOptions {
  to?: string;
  conv?: string;
  agent?: string;
  replyTo?: string;
  /** Milliseconds. */
  wait?: number;
}

/** More than any transport gives itself, whose error says more. */
const SEND_TIMEOUT_MS = 30_000;
/** How long a person at a terminal waits for an answer unless told otherwise. */
const WAIT_MS = 5_000;

/** Sends one message; waits for an answer when somebody is there to read it. */
export async function run({ output }: Cli, text: string, options: SendOptions): Promise<void> {
  const { to, conv, agent } = options;
  if (to === undefined && conv === undefined)
    throw new UsageError('the recipient is missing', 'Say who gets it: --to AGENT or --conv CONVERSATION');
  for (const id of [to, agent]) if (id !== undefined) checkAgentId(id);
  const content = await contentOf(text);
  await withState(async (state) => {
    const send = (sender: Backend) => sendAs(sender, content, { state, output, options });
    if (agent !== undefined) return send(await agentOrLatest(state, agent));
    await asYou(
      state,
      (id) => `${selfCommand()} agent send --agent ${id} …`,
      async () => send(await you(state, to)),
    );
  });
}

interface Sending {
  state: State;
  output: Output;
  options: SendOptions;
}

async function sendAs(sender: Backend, content: string, { state, output, options }: Sending): Promise<void> {
  const { to, conv: conversationId, replyTo, wait: waitMs } = options;
  const { connectTransport } = await import('@cleocode/runtime/transport');
  const transport = await connectTransport(sender, state.dir);
  try {
    const signal = AbortSignal.timeout(SEND_TIMEOUT_MS);
    const metadata = metadataOfHandler();
    const sent = await transport.push(to ?? '', content, { conversationId, replyTo, metadata, signal });
    output.result({ ok: true, ...sent }, sent.messageId);
    const idle = isLocal(sender) && isIdle(state, to) ? to : undefined;
    await showReply(output, transport, sent.messageId, { to, waitMs, idle });
  } finally {
    await transport.disconnect();
  }
}

async function contentOf(text: string): Promise<string> {
  const content = text === '-' ? await readAll(MAX_CONTENT_BYTES) : text;
  const bytes = Buffer.byteLength(content);
  if (bytes > MAX_CONTENT_BYTES)
    throw new UsageError(
      `the message has ${bytes} bytes, at most ${MAX_CONTENT_BYTES} can be sent`,
      'Send it in parts, or send a link to it.',
    );
  if (content.trim() === '')
    throw new UsageError('the message is empty', 'Write it after the command, or pipe it in with -.');
  return content;
}

/** Agents of the embedded backend run here or nowhere. */
function isIdle(state: State, to: string | undefined): boolean {
  return to !== undefined && state.hasStore && runningPid(state, to) === undefined;
}

interface Waiting {
  to: string | undefined;
  /** Milliseconds; undefined: as long as somebody would read the answer. */
  waitMs: number | undefined;
  /** The recipient, when it does not run. */
  idle: string | undefined;
}

async function showReply(
  output: Output,
  transport: Transport,
  messageId: string,
  { to, waitMs: wanted, idle }: Waiting,
): Promise<void> {
  if (idle !== undefined && output.interactive && wanted === undefined) {
    const start = `${selfCommand()} agent start ${idle}`;
    return output.note(`${idle} is not running here: the message waits for it. Start it: ${start}`);
  }
  const waitMs = wanted ?? (output.interactive ? WAIT_MS : 0);
  if (waitMs === 0) return;
  const reply = await during(output, `waiting for an answer${to === undefined ? '' : ` from ${to}`}`, () =>
    nextReply(transport, messageId, waitMs),
  );
  if (reply) tell(output, reply);
  else if (output.json) output.line({ event: 'no-reply', waitedMs: waitMs });
  else output.note(`No answer within ${waitMs / 1_000} s. Wait longer: --wait 60`);
}

function tell(output: Output, reply: ConduitMessage): void {
  const { id, from, content, threadId, groupId, timestamp } = reply;
  if (output.json) output.line({ event: 'reply', id, from, content, threadId, groupId, timestamp });
  else output.text(`${output.style('cyan', '←')} ${printable(from)}: ${excerpt(content)}`);
}
