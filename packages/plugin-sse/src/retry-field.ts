/** A longer line is not a `retry:` that means anything. */
const LONGEST_LINE = 64;

/** Finds the `retry:` fields of an event stream in its bytes, which `eventsource` keeps to itself. */
export class RetryField {
  readonly #onRetry: (ms: number) => void;
  /** The line under way, from the break before it on; without that break it is one too long to matter. */
  #line = '\n';

  constructor(onRetry: (ms: number) => void) {
    this.#onRetry = onRetry;
  }

  feed(bytes: Uint8Array): void {
    const text =
      this.#line + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
    for (const [, ms] of text.matchAll(/(?<=[\r\n])retry: ?(\d+)(?=[\r\n])/g)) this.#onRetry(Number(ms));
    const line = text.slice(Math.max(0, text.lastIndexOf('\n'), text.lastIndexOf('\r')));
    this.#line = line.length > LONGEST_LINE ? '' : line;
  }
}
