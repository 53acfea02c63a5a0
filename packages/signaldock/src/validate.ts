import { agentIdSchema, WireError, type WireErrorCode } from '@cleocode/contracts';
import { z } from 'zod';
import { constraint } from './errors.ts';

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;
const MAX_EXTRAS_CHARACTERS = 64 * 1024;
const CODES: Partial<Record<z.core.$ZodIssue['code'], WireErrorCode>> = {
  too_big: 'E_VALIDATION_CONSTRAINT',
  too_small: 'E_VALIDATION_CONSTRAINT',
  invalid_format: 'E_VALIDATION_INVALID_FORMAT',
};

export const idsSchema = z.array(z.string());

/** `value` as the schema has it, or a `WireError` that names the first wrong member. */
export function valid<S extends z.ZodType>(schema: S, value: unknown, name = ''): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const where = [name, ...issue.path.map(String)].filter(Boolean).join('.') || 'body';
  const given = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)?.[key], value);
  const code =
    given === undefined ? 'E_VALIDATION_MISSING_FIELD' : (CODES[issue.code] ?? 'E_VALIDATION_SCHEMA');
  throw new WireError(code, `${where}: ${issue.message}`, { details: { field: where } });
}

export function validAgentId(value: unknown, name = 'agentId'): string {
  return valid(agentIdSchema, value, name);
}

/** A page size; too large a one is cut rather than refused, as clients of the record expect. */
export function validLimit(value: number = DEFAULT_LIMIT): number {
  if (!Number.isInteger(value) || value < 1) throw constraint(`limit: ${value} is not a positive integer`);
  return Math.min(value, MAX_LIMIT);
}

export function validSeq(value: number, name = 'afterSeq'): number {
  if (!Number.isSafeInteger(value) || value < 0)
    throw constraint(`${name}: ${value} is not a non-negative integer`);
  return value;
}

/** Epoch milliseconds of an RFC 3339 time, `null` when there is none. */
export function validTime(value: string | undefined, name: string): number | null {
  if (value === undefined) return null;
  const time = timeIn(value);
  if (time === null) throw constraint(`${name}: ${JSON.stringify(value)} is not an RFC 3339 time`);
  return time;
}

/** Epoch milliseconds, or `null` for what is not an RFC 3339 time. */
export function timeIn(text: string): number | null {
  if (!/^\d{4}-\d{2}-\d{2}T/.test(text)) return null;
  const time = Date.parse(text);
  return Number.isNaN(time) ? null : time;
}

export function validPage(value = 1): number {
  if (!Number.isSafeInteger(value) || value < 0) throw constraint(`page: ${value} is not a page number`);
  return Math.max(1, value);
}

export function validIdempotencyKey(value: string | undefined): string | undefined {
  if (value === undefined || (value.length > 0 && value.length <= 255)) return value;
  throw constraint('idempotencyKey: not 1 to 255 characters');
}

/** What goes along with something else, as JSON. */
export function validExtras(name: string, value: unknown): string {
  const json = JSON.stringify(value);
  if (json.length <= MAX_EXTRAS_CHARACTERS) return json;
  throw constraint(
    `${name}: ${json.length} characters of JSON are too many, at most ${MAX_EXTRAS_CHARACTERS}`,
  );
}
