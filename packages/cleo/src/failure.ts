import { redact } from '@cleocode/contracts';
import { EXIT, exitCodeOf } from './exit-code.ts';

/** An error as it is shown: what went wrong, and what to do next. */
export interface Failure {
  code: string;
  message: string;
  hint?: string;
  exitCode: number;
  /** Stack traces of the error and its causes, for `--verbose`. */
  stack: string;
}

/** Anything thrown, as it is shown. An error without a code is one nobody foresaw. */
export function failureOf(error: unknown): Failure {
  const { code, message, hint } = (error ?? {}) as { code?: unknown; message?: unknown; hint?: unknown };
  const known = typeof code === 'string' && code.startsWith('E_');
  return {
    code: known ? code : 'E_UNEXPECTED',
    message: redact(typeof message === 'string' && message !== '' ? message : String(error)),
    hint:
      typeof hint === 'string'
        ? redact(hint)
        : known
          ? undefined
          : 'Run it again with --verbose to see where it comes from.',
    exitCode: known ? exitCodeOf(code) : EXIT.failed,
    stack: stackOf(error),
  };
}

function stackOf(error: unknown): string {
  const stacks: string[] = [];
  for (let at = error; at instanceof Error && stacks.length < 8; at = at.cause)
    stacks.push(at.stack ?? String(at));
  return redact(stacks.join('\ncaused by: '));
}
