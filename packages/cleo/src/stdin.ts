import { UsageError } from './usage-error.ts';

/** All of stdin as text, up to `maxBytes`; more is refused without being read. */
export async function readAll(maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes)
      throw new UsageError(
        `stdin holds more than ${maxBytes} bytes, the most a message may have`,
        'Send it in parts, or send a link to it.',
      );
    chunks.push(chunk);
  }
  return new TextDecoder('utf-8').decode(Buffer.concat(chunks));
}

/** The first line of stdin, without the spaces around it. On a terminal it is asked for. */
export async function readLine(what: string): Promise<string> {
  if (process.stdin.isTTY) process.stderr.write(`Paste ${what} and press Enter: `);
  let text = '';
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    text += chunk.toString('utf8');
    if (text.includes('\n') || text.length > 65_536) break;
  }
  return text.split('\n', 1)[0]!.trim();
}
