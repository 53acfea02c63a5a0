import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';
import { CleoError, errorText } from '@cleocode/contracts';
import type { StopAnswer } from '../start/resident.ts';

/** A healthy process answers in a few milliseconds; one whose loop is blocked does not answer at all. */
const TIMEOUT_MS = 5_000;

/**
 * Asks the process that runs an agent. `undefined`: there is none. Throws `E_NOT_RESPONDING` when there is one that does not
 * answer in 5 s, or not as it should.
 */
export async function ask(address: string, path: string): Promise<object | undefined> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    return await exchange('GET', path, address, signal);
  } catch (cause) {
    if (isAbsent(cause)) return undefined;
    const what = signal.aborted ? `no answer in ${TIMEOUT_MS / 1_000} s` : errorText(cause);
    throw new CleoError('E_NOT_RESPONDING', `the process that runs the agent does not answer: ${what}`, {
      hint: 'A handler may block it. Look again; if it stays, end the process: its messages come again at the next start.',
      cause,
      details: { address },
    });
  }
}

/**
 * Asks the process that runs an agent to end it, and waits until it has. `undefined`: nobody answers there, nobody answers any
 * more, or not before `signal`.
 */
export async function askToStop(address: string, signal: AbortSignal): Promise<StopAnswer | undefined> {
  try {
    return (await exchange('POST', '/stop', address, signal)) as StopAnswer;
  } catch {
    return undefined;
  }
}

async function exchange(
  method: string,
  path: string,
  socketPath: string,
  signal: AbortSignal,
): Promise<object> {
  const asked = request({ socketPath, method, path, signal }).end();
  const [response] = (await once(asked, 'response', { signal })) as [IncomingMessage];
  const body = (await json(response)) as { error?: string };
  if (response.statusCode === 200) return body;
  throw new Error(body.error ?? `it answered ${response.statusCode}`);
}

/** Nothing is there, or what a process that is gone left behind. */
function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ECONNREFUSED'].includes((error as NodeJS.ErrnoException).code ?? '');
}
