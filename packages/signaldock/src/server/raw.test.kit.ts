import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface RawAnswer {
  status: number;
  head: string;
  body: string;
}

/** A connection that sends what it is told, byte by byte if need be, and keeps what it gets. */
export class RawClient {
  readonly socket: Socket;
  received = '';
  readonly closed: Promise<unknown>;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setEncoding('latin1');
    this.socket.on('data', (text: string) => {
      this.received += text;
    });
    // A reset is one of the ways in which a server closes.
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => this.socket.once('close', resolve));
    onTestFinished(() => void this.socket.destroy());
  }

  send(text: string): this {
    this.socket.write(text, 'latin1');
    return this;
  }

  /** What came back so far, answer by answer; bodies by their Content-Length. */
  get answers(): RawAnswer[] {
    const answers: RawAnswer[] = [];
    for (let rest = this.received; ; ) {
      const end = rest.indexOf('\r\n\r\n');
      if (end === -1) return answers;
      const head = rest.slice(0, end);
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      answers.push({ status: Number(head.split(' ')[1]), head, body: rest.slice(end + 4, end + 4 + length) });
      rest = rest.slice(end + 4 + length);
    }
  }
}

/** Sends one piece of text on a connection of its own; what the server answered until it closed. */
export async function exchange(port: number, text: string): Promise<RawAnswer[]> {
  const client = new RawClient(port).send(text);
  await client.closed;
  return client.answers;
}
