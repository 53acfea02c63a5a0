import type { Socket, TcpNetConnectOpts } from 'node:net';

/** 200 messages whose texts are 2 MiB together, each byte six characters of JSON, fit into one line. */
const MAX_LINE = 32 * 1024 * 1024;
/** Whoever does not read is not written to without end. */
const MAX_UNREAD = 2 * MAX_LINE;

/** Where a broker listens: the path of a Unix socket, or `host:port` where there are none. */
export function socketAddress(address: string): Pick<TcpNetConnectOpts, 'port' | 'host'> | { path: string } {
  const tcp = /^([\w.-]+|\[[\da-f:]+\]):(\d+)$/i.exec(address);
  return tcp ? { host: tcp[1]!.replaceAll(/[[\]]/g, ''), port: Number(tcp[2]) } : { path: address };
}

/** Hands each line to `onLine`, parsed. A peer that sends anything else, or no end of a line, loses its connection. */
export function readLines(socket: Socket, onLine: (line: Record<string, unknown>) => void): void {
  let begun: Buffer[] = [];
  let size = 0;
  socket.on('data', (chunk: Buffer) => {
    try {
      for (let end = chunk.indexOf('\n'); end >= 0; end = chunk.indexOf('\n')) {
        const line = JSON.parse(Buffer.concat([...begun, chunk.subarray(0, end)]).toString());
        [begun, size, chunk] = [[], 0, chunk.subarray(end + 1)];
        onLine(line);
      }
      begun.push(chunk);
      size += chunk.length;
      if (size > MAX_LINE) throw new Error(`a line is longer than ${MAX_LINE} bytes`);
    } catch (error) {
      socket.destroy(error as Error);
    }
  });
}

/** Answers whether the connection is there to be written to. */
export function writeLine(socket: Socket, line: object): boolean {
  if (socket.destroyed) return false;
  socket.write(`${JSON.stringify(line)}\n`);
  if (socket.writableLength > MAX_UNREAD) socket.destroy(new Error('the other side does not read'));
  return true;
}
