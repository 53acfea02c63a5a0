import { healthSchema } from '@cleocode/contracts';
import { excerptOf, get } from './http.ts';
import { VERSION } from './version.ts';
import type { WatchdogTimes } from './watchdog.ts';

/** Of a server that does not say. */
const RECORDED_MS = 30_000;
const LEAST_MS = 1_000;
const MOST_MS = 5 * 60_000;
/** One heartbeat that is late is quiet, two that are missing are silence. */
const QUIET = 1.5;
const SILENT = 2.5;
const MAX_BYTES = 64 * 1024;

/** How long a stream may bring nothing when the server sends a heartbeat this often. */
export function timesFor(heartbeatMs = RECORDED_MS): WatchdogTimes {
  const ms = Math.min(MOST_MS, Math.max(LEAST_MS, heartbeatMs));
  return { quietMs: QUIET * ms, silentMs: SILENT * ms };
}

/** The same, when it is the time until silence that is known. */
export function timesUntil(silentMs: number): WatchdogTimes {
  return { quietMs: (QUIET / SILENT) * silentMs, silentMs };
}

/** Milliseconds between the heartbeats of a stream, as the server announces them. `undefined` when it does not; never rejects. */
export async function announcedHeartbeat(
  apiBase: URL,
  { ca, timeoutMs }: { ca: string | readonly string[] | undefined; timeoutMs: number },
  signal: AbortSignal,
): Promise<number | undefined> {
  const url = new URL(apiBase);
  url.pathname = `${url.pathname.replace(/\/$/, '')}/health`;
  const headers = { accept: 'application/json', 'user-agent': `cleo-runtime/${VERSION}` };
  try {
    const answer = await get({ url, headers, ca, timeoutMs }, signal);
    try {
      const health = healthSchema.parse(JSON.parse(await excerptOf(answer, MAX_BYTES, timeoutMs)));
      return health.features?.streamHeartbeatMs;
    } finally {
      await answer.close();
    }
  } catch {
    return undefined; // What the record says will do.
  }
}
