import { MAX_CONTENT_BYTES } from '@cleocode/contracts';
import { UsageError } from '../usage-error.ts';

/** Each line of `input`, without its end; one that no message can hold is refused before it fills the memory. */
export async function* linesOf(input: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  let size = 0;
  for await (const chunk of input) {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      const line = Buffer.concat([...rest, chunk.subarray(from, end)]);
      yield checked(line.toString('utf8').replace(/\r$/, ''), line.length);
      rest = [];
      size = 0;
      from = end + 1;
    }
    rest.push(chunk.subarray(from));
    size += chunk.length - from;
    if (size > MAX_CONTENT_BYTES) checked('', size);
  }
  if (size > 0) yield Buffer.concat(rest).toString('utf8');
}

function checked(line: string, bytes: number): string {
  if (bytes <= MAX_CONTENT_BYTES) return line;
  throw new UsageError(
    `a line of stdin has more than ${MAX_CONTENT_BYTES} bytes, the most a message may have`,
    'Send it in parts, or send a link to it.',
  );
}
