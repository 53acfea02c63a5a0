import { withDeadline } from '@cleocode/contracts';
import { failureOf } from '../failure.ts';

/** The outcome of one check. */
export interface Finding {
  /** A short name that scripts may rely on. */
  check: string;
  status: 'ok' | 'warning' | 'error';
  message: string;
  /** The cure. */
  hint?: string;
  /** The agent it is about. */
  agentId?: string;
}

/** What looks into something. It may throw: that is an error it found. Changes nothing. */
export interface Check {
  check: string;
  agentId?: string;
  look(): Finding[] | Promise<Finding[]>;
}

/** The whole has to be done in 5 s, and all that waits does so at the same time. */
const LONGEST_MS = 4_000;

export function ok(check: string, message: string, hint?: string): Finding {
  return { check, status: 'ok', message, ...(hint !== undefined && { hint }) };
}

export function warning(check: string, message: string, hint: string): Finding {
  return { check, status: 'warning', message, hint };
}

export function error(check: string, message: string, hint: string): Finding {
  return { check, status: 'error', message, hint };
}

/** What a check found. Never rejects, and takes no longer than {@link LONGEST_MS} where it waits. */
export async function findingsOf({ check, agentId, look }: Check): Promise<Finding[]> {
  const about = agentId === undefined ? {} : { agentId };
  try {
    const found = await withDeadline(
      (async () => look())(),
      LONGEST_MS,
      () => new Error(`not known after ${LONGEST_MS / 1_000} s`),
    );
    return found.map((one) => ({ ...one, ...about }));
  } catch (thrown) {
    const { message, hint } = failureOf(thrown);
    return [{ check, status: 'error', message, ...(hint !== undefined && { hint }), ...about }];
  }
}
