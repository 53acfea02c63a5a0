import assert from 'node:assert/strict';
import { MAX_CONTENT_BYTES } from '../../message.ts';
import { assertRejects, assertSame, contents } from './assertions.ts';
import { type Behaviour, behaviour } from './behaviour.ts';
import { numbers, receiveAll } from './calls.ts';

export const content: Behaviour[] = [
  text('text arrives as it was sent', [
    '',
    ' ',
    '  a space at both ends ',
    'a\r\nb\n\tc\n',
    `"'\\{"a":1}`,
    '</script>%00&amp;+%20',
    'שלום\u200f عالم\u202e',
    '👩‍👩‍👧‍👦🏳️‍🌈🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}'.repeat(50),
  ]),

  text('characters that cannot be seen are kept', [
    '\uFEFFa byte order mark\uFEFF',
    'zero\u200Bwidth\u200Dand\u2060joined\u00AD',
    '\u2066isolated\u2069 \u202Aembedded\u202C',
    '\u2028 and \u2029 end lines',
    '\uE000 is private, \uFFFE and \u{10FFFF} are nobody\u2019s',
  ]),

  text('control characters are kept', [
    'a\0b',
    '\0',
    String.fromCharCode(...codes(0, 0x1f), ...codes(0x7f, 0x9f)),
    '\x1b[31mred\x1b[0m',
  ]),

  text('text is not normalised', [
    '\u00E9',
    'e\u0301',
    '\u212B',
    '\u00C5',
    '\uFB01',
    '\u1112\u1161\u11AB',
    'ﷺ',
  ]),

  behaviour('half a surrogate pair arrives as U+FFFD', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    await alice.push('bob', 'a\uD83Db');
    await alice.push('bob', '\uDE00');
    assert.deepEqual(contents(await bob.poll()), ['a\uFFFDb', '\uFFFD']);
  }),

  behaviour('a message may be 1 MiB long, whatever it is made of', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    for (const character of ['a', 'é', '😀', '\0', '"', '\u2028']) {
      const full = fill(character, MAX_CONTENT_BYTES);
      await alice.push('bob', full);
      const [message] = await bob.poll();
      assert.ok(message?.content === full, `${JSON.stringify(character)} arrives whole`);
      await bob.ack([message.id]);
    }
  }),

  behaviour('a longer message is refused and not stored', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    for (const character of ['a', 'é', '\0'])
      await assertRejects(
        alice.push('bob', fill(character, MAX_CONTENT_BYTES) + character),
        'E_VALIDATION_CONSTRAINT',
      );
    assert.deepEqual(await bob.poll(), []);
  }),

  behaviour('large messages are received page after page, each once', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const sent = numbers(12).map((number) => number.padEnd(MAX_CONTENT_BYTES, '.'));
    for (const large of sent) await alice.push('bob', large);
    const received = await receiveAll(bob, 50, sent.length);
    assertSame(received.map(label), sent.map(label), 'each comes once');
  }),

  behaviour('metadata arrives with its message', async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const metadata = { project: 'cleo', list: [1, 'two', null, { three: 3.5 }], 'ключ 🔑': '\0"\u2028' };
    await alice.push('bob', 'hello', { metadata });
    const [message] = await bob.poll();
    for (const [key, value] of Object.entries(metadata))
      assert.deepEqual(message?.metadata?.[key], value, key);
  }),
];

/** Each text is a message that must arrive as it is. */
function text(name: string, texts: readonly string[]): Behaviour {
  return behaviour(name, async ({ agent }) => {
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    for (const each of texts) await alice.push('bob', each);
    assert.deepEqual(contents(await bob.poll()), texts);
  });
}

function codes(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, n) => from + n);
}

function fill(character: string, bytes: number): string {
  const size = Buffer.byteLength(character);
  return character.repeat(Math.floor(bytes / size)) + 'a'.repeat(bytes % size);
}

/** Enough of a large message to know it by, and whether it is whole. */
function label(large: string): string {
  return `${large.slice(0, 4)} ${large.length}`;
}
