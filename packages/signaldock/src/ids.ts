import { createHash, randomUUID } from 'node:crypto';

/** A UUID that begins with the time (version 7), so that an index grows at its end and stays in few pages. */
export function newId(now: number): string {
  const time = now.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}

/** Lower-case hex. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** RFC 3339. */
export function timeOf(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
