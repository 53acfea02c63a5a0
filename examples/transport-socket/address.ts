import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where the programs of this example meet. On Windows a port of this machine: there are no Unix sockets. */
export const ADDRESS =
  process.env.BROKER ??
  (process.platform === 'win32' ? '127.0.0.1:4617' : join(tmpdir(), 'cleo-broker.sock'));
