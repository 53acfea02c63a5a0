import { createHash } from 'node:crypto';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** As long as a socket's path may be on every system (macOS: 104 bytes with the end mark). */
const LONGEST_PATH = 103;

/**
 * Where the process that runs an agent of this state folder answers: a socket beside its lock; where that path would be too
 * long for a socket, one in a folder of the user's own among the temporary files; a named pipe on Windows.
 */
export function controlAddress(stateDir: string, agentId: string): string {
  const path = join(stateDir, 'run', `${agentId}.sock`);
  const short = createHash('sha256').update(path).digest('hex').slice(0, 24);
  if (process.platform === 'win32') return `\\\\.\\pipe\\cleo-${short}`;
  if (Buffer.byteLength(path) <= LONGEST_PATH) return path;
  return join(tmpdir(), `cleo-${userInfo().uid}`, `${short}.sock`);
}
