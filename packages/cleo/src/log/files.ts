import { join } from 'node:path';

/** The log that is written, and those before it: `bob.log`, `bob.log.1` (the latest) to `bob.log.4`. */
export const LOG_FILES = 5;

export function logFolder(stateDir: string): string {
  return join(stateDir, 'logs');
}

export function logFile(stateDir: string, agentId: string): string {
  return join(logFolder(stateDir), `${agentId}.log`);
}

/** The log itself for 0, else the one that many rotations before it. */
export function rotated(file: string, back: number): string {
  return back === 0 ? file : `${file}.${back}`;
}

/** What the process wrote past the log: Node's last words, such as when memory is at its end. */
export function lastWordsFile(stateDir: string, agentId: string): string {
  return join(logFolder(stateDir), `${agentId}.stderr`);
}
