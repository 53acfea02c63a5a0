import { isUtf8 } from 'node:buffer';
import { WireError } from '@cleocode/contracts';
import type { FastifyInstance } from 'fastify';

/** Deeper JSON says nothing on this wire, and would exhaust the stack of whoever writes it out again. */
const MAX_DEPTH = 64;

/**
 * Takes bodies of JSON and of nothing else. An empty body is no body, whatever its content type says. Members that would
 * reach a prototype are left out.
 */
export function acceptJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('remove', 'remove');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (body.length === 0) return done(null, undefined);
    if (!isUtf8(body)) return done(unreadable('is not UTF-8'));
    parse(request, body.toString(), (error, value) => {
      if (error) return done(unreadable('is not JSON'));
      if (isDeeper(value, MAX_DEPTH)) return done(unreadable(`is nested deeper than ${MAX_DEPTH}`));
      done(null, value);
    });
  });
}

function unreadable(why: string): WireError {
  return new WireError('E_VALIDATION_SCHEMA', `body: ${why}`, {
    hint: 'Send one JSON value in UTF-8.',
    details: { field: 'body' },
  });
}

/** By levels, not by recursion: what it is there to find would overflow the stack. */
function isDeeper(value: unknown, depth: number): boolean {
  let level = [value];
  for (let deep = 0; level.length > 0; deep++) {
    if (deep > depth) return true;
    const next: unknown[] = [];
    for (const item of level) {
      if (typeof item !== 'object' || item === null) continue;
      for (const member of Object.values(item)) if (typeof member === 'object') next.push(member);
    }
    level = next;
  }
  return false;
}
