import { isUtf8 } from 'node:buffer';
import { WireError } from '@cleocode/contracts';
import type { FastifyInstance } from 'fastify';

/** Deeper JSON says nothing on this wire, and would exhaust the stack of whoever writes it out again. */
const MAX_DEPTH = 64;
/** Twice what the longest list of this wire has. A million of the wrong type would be a million complaints to collect. */
const MAX_VALUES = 20_000;

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
      const excess = excessOf(value);
      return excess ? done(unreadable(excess)) : done(null, value);
    });
  });
}

function unreadable(why: string): WireError {
  return new WireError('E_VALIDATION_SCHEMA', `body: ${why}`, {
    hint: 'Send one JSON value in UTF-8.',
    details: { field: 'body' },
  });
}

/** What there is too much of, if anything. By levels, not by recursion: what it is there to find would overflow the stack. */
function excessOf(value: unknown): string | undefined {
  let values = 0;
  let level = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return `is nested deeper than ${MAX_DEPTH}`;
    const next: object[] = [];
    for (const item of level) {
      if (typeof item !== 'object' || item === null) continue;
      const members = Object.values(item);
      values += members.length;
      if (values > MAX_VALUES) return `holds more than ${MAX_VALUES} values`;
      for (const member of members) if (typeof member === 'object' && member !== null) next.push(member);
    }
    level = next;
  }
  return undefined;
}
