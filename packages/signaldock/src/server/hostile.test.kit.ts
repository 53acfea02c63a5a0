import fc from 'fast-check';
import { z } from 'zod';
import type { Route } from './route.ts';
import { ROUTES } from './routes/index.ts';

/** A request in parts: the headers come without the agent's, who may be nobody. */
export interface HostileRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  payload?: string;
  as: string | undefined;
}

/** What a description of JSON needs to have, for values to be made of it. */
interface JsonSchema {
  type?: string;
  enum?: unknown[];
  pattern?: string;
  anyOf?: JsonSchema[];
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
}

const NESTED = JSON.parse(`${'['.repeat(90)}${']'.repeat(90)}`);
/** More than 1 MiB. */
const LARGE = JSON.stringify('x'.repeat(1_100_000));
const STRINGS = [
  '',
  'ann',
  'bob',
  'all',
  'online',
  '\0',
  'a\0b',
  '\ud800',
  '\u202e',
  '😀'.repeat(50),
  '__proto__',
  'constructor',
  '../../etc/passwd',
  "' OR 1=1 --",
  '"',
  'fox* NEAR(a b) OR content:x ^"',
  '%',
  '%00',
  '$where',
  'x'.repeat(65),
  'x'.repeat(70_000),
  '@ann '.repeat(2_000),
  '`'.repeat(5_000),
  '1e400',
  '-1',
  '0',
  '9007199254740993',
  '2026-01-01T00:00:00Z',
  '9999-99-99T99:99:99Z',
  '275760-09-13T00:00:00.001Z',
];
const NUMBERS = [0, -0, 1, -1, 0.5, 200, 201, 86_400, 2 ** 53, 1e308, -1e308, Number.MIN_VALUE];

const text = fc.oneof(fc.constantFrom(...STRINGS), fc.string({ unit: 'binary', maxLength: 40 }));
const slug = fc.stringMatching(/^[a-z][a-z0-9_-]{0,9}$/);
const anything = fc.oneof(
  text,
  fc.constantFrom(...NUMBERS),
  fc.constantFrom<unknown>(null, true, [], {}, NESTED),
  fc.jsonValue({ maxDepth: 3 }),
);

/** Requests that look like those of a route, with something wrong in most. The ids are those of what exists. */
export function hostileRequests(ids: readonly string[]): fc.Arbitrary<HostileRequest> {
  return fc.constantFrom(...ROUTES).chain((route) => requestsOf(route, ids));
}

/** Requests as text, whole or broken anywhere. `valid` is what they are made of. */
export function brokenRequests(valid: readonly string[]): fc.Arbitrary<string> {
  const edit = fc.record({ at: fc.nat(2_000), cut: fc.nat(30), put: fc.constantFrom(...PIECES) });
  const edited = fc
    .tuple(fc.constantFrom(...valid), fc.array(edit, { maxLength: 4 }))
    .map(([whole, edits]) => {
      let broken = whole;
      for (const { at, cut, put } of edits) {
        const from = at % (broken.length + 1);
        broken = broken.slice(0, from) + put + broken.slice(from + cut);
      }
      return broken;
    });
  const pipelined = fc.array(edited, { minLength: 2, maxLength: 4 }).map((requests) => requests.join(''));
  const half = fc
    .tuple(edited, fc.nat(2_000))
    .map(([request, end]) => request.slice(0, end % request.length));
  const noise = fc.string({ unit: 'binary', maxLength: 300 });
  return fc.oneof({ weight: 4, arbitrary: edited }, pipelined, half, noise);
}

const PIECES = [
  '',
  '\0',
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  '\r\n \t',
  ' ',
  ':',
  '\x7f',
  '\xff\xfe',
  '%',
  '%2e%2e%2f',
  '#',
  '?',
  '//',
  'GET ',
  ' HTTP/0.9',
  ' HTTP/9.9\r\n',
  'Host: y\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 18446744073709551616\r\n',
  'Content-Length: +1\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: chunked, identity\r\n',
  'Transfer-Encoding : chunked\r\n',
  'Connection: close\r\n',
  'Connection: upgrade\r\nUpgrade: websocket\r\n',
  'Expect: 100-continue\r\n',
  'Expect: nothing\r\n',
  'ffffffffffffffff\r\n',
  '5;ext=\0\r\nabcde\r\n',
  '0\r\n\r\n',
  'Content-Encoding: gzip\r\n',
  'Accept-Version: 1.x\r\n',
  'X-HTTP-Method-Override: DELETE\r\n',
  `A: ${'x'.repeat(20_000)}\r\n`,
  'A: b\r\n'.repeat(3_000),
  `/${'x'.repeat(9_000)}`,
  `?${'a=b&'.repeat(2_000)}`,
];

function requestsOf(route: Route, ids: readonly string[]): fc.Arbitrary<HostileRequest> {
  const segment = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...ids) },
    text.map(encode),
    fc.constantFrom('%zz', '%', '%2e%2e', '..', ';', '\\', '*', '%E0%80%80'),
  );
  const known = Object.keys((route.query as z.ZodObject | undefined)?.shape ?? {});
  const pair = fc.tuple(
    fc.oneof(
      { weight: 5, arbitrary: fc.constantFrom(...(known.length > 0 ? known : ['x'])) },
      text.map(encode),
    ),
    fc.oneof(text.map(encode), fc.constantFrom(...ids, '1', '50', '%zz')),
  );
  const params = [...route.path.matchAll(/:\w+/g)].length;
  return fc
    .record({
      segments: fc.array(segment, { minLength: params, maxLength: params }),
      pairs: fc.array(pair, { maxLength: 4 }),
      body: fc.oneof(
        { weight: 5, arbitrary: route.body ? bodyOf(route.body).map((body) => JSON.stringify(body)) : text },
        fc.constantFrom(undefined, '', '{', 'null', '[]', '"', '1', '{"a":1}}', '['.repeat(100_000), LARGE),
      ),
      type: fc.oneof(
        { weight: 8, arbitrary: fc.constant('application/json') },
        fc.constantFrom(
          '',
          'text/plain',
          'application/json; charset=utf-16',
          'multipart/form-data; boundary=',
          ';',
          '\0',
        ),
      ),
      idempotencyKey: fc.option(fc.constantFrom('', 'k', 'x'.repeat(256), '\u00e9'), { nil: undefined }),
      as: fc.option(fc.constantFrom('ann', 'bob', 'ann', 'bob', 'someone'), { nil: undefined, freq: 8 }),
      method: fc.oneof(
        { weight: 20, arbitrary: fc.constant(route.method as string) },
        fc.constantFrom('HEAD', 'PATCH', 'OPTIONS'),
      ),
    })
    .map(({ segments, pairs, body, type, idempotencyKey, as, method }) => {
      const path = route.path.replace(/:\w+/g, () => segments.shift()!);
      const query = pairs.map(([name, value]) => `${name}=${value}`).join('&');
      return {
        method,
        url: query ? `${path}?${query}` : path,
        headers: {
          'content-type': type,
          ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
        },
        ...(body !== undefined && { payload: body }),
        as,
      };
    });
}

function bodyOf(schema: z.ZodType): fc.Arbitrary<unknown> {
  return valueFor(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema);
}

/** Mostly what the schema describes, and now and then anything, at every depth. */
function valueFor({
  type,
  pattern,
  enum: options,
  anyOf,
  items,
  properties,
}: JsonSchema): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 20, arbitrary: fitting() }, anything);

  function fitting(): fc.Arbitrary<unknown> {
    if (options) return fc.constantFrom(...options);
    if (anyOf) return fc.oneof(...anyOf.map(valueFor));
    if (pattern) return fc.oneof({ weight: 4, arbitrary: slug }, text);
    if (type === 'string') return text;
    if (type === 'number' || type === 'integer') return fc.constantFrom(...NUMBERS);
    if (type === 'boolean') return fc.boolean();
    if (type === 'array') return fc.array(valueFor(items ?? {}), { maxLength: 4 });
    if (type !== 'object') return anything;
    const members = Object.entries(properties ?? {}).map(
      ([name, member]) => [name, valueFor(member)] as const,
    );
    return fc
      .tuple(
        fc.record(Object.fromEntries(members), { requiredKeys: [] }),
        fc.dictionary(text, anything, { maxKeys: 2 }),
      )
      .map(([named, others]) => ({ ...others, ...named }));
  }
}

/** As a client would write it, where it can be written. */
function encode(value: string): string {
  return encodeURIComponent(value.toWellFormed());
}
