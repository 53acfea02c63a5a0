import type { Readable } from 'node:stream';

/** Keeps the beginning of a stream, up to a bound, and reads the rest away so that its writer never blocks. */
export class Head {
  readonly #chunks: Buffer[] = [];
  readonly #maxBytes: number;
  #bytes = 0;
  /** There was more than is kept. */
  truncated = false;

  constructor(stream: Readable, maxBytes: number) {
    this.#maxBytes = maxBytes;
    stream.on('data', (chunk: Buffer) => this.#add(chunk));
  }

  /** What is kept as text; a character cut in two by the bound is left out. */
  get text(): string {
    return new TextDecoder().decode(Buffer.concat(this.#chunks), { stream: this.truncated });
  }

  #add(chunk: Buffer): void {
    const room = this.#maxBytes - this.#bytes;
    if (chunk.length > room) this.truncated = true;
    if (room === 0) return;
    this.#chunks.push(chunk.subarray(0, room));
    this.#bytes += Math.min(room, chunk.length);
  }
}

/** Keeps the end of a stream, up to a bound. */
export class Tail {
  readonly #maxBytes: number;
  #kept: Buffer = Buffer.alloc(0);

  constructor(stream: Readable, maxBytes: number) {
    this.#maxBytes = maxBytes;
    stream.on('data', (chunk: Buffer) => {
      this.#kept = Buffer.concat([this.#kept, chunk]).subarray(-maxBytes);
    });
  }

  /** The last lines, `count` at most; the first of them may lack its beginning. */
  lines(count: number): string {
    // Past the rest of a character that the bound cut in two.
    let start = 0;
    while (this.#kept.length === this.#maxBytes && (this.#kept[start]! & 0xc0) === 0x80) start += 1;
    return this.#kept.subarray(start).toString('utf8').trimEnd().split('\n').slice(-count).join('\n');
  }
}
