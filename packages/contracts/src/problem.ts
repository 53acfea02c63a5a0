import type { CleoError } from './errors.ts';

/** Something that is wrong now, as an operator is told it. It is gone when whoever told it tells it no more. */
export interface Problem {
  code: string;
  message: string;
  /** What to do about it. */
  hint?: string | undefined;
}

/** What an error tells an operator while it lasts. */
export function problemOf({ code, message, hint }: CleoError): Problem {
  return { code, message, ...(hint !== undefined && { hint }) };
}
