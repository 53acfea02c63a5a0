import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isMentioned, mentionsOf, withoutCode } from './mentions.ts';

describe('isMentioned', () => {
  it.each([
    ['@bob', 'alone'],
    ['@bob hello', 'at the start'],
    ['hello @bob', 'at the end'],
    ['hello @BOB!', 'in another case'],
    ['(@bob)', 'in brackets'],
    ['"@bob"', 'in quotes'],
    ['**@bob** look', 'in bold'],
    ['@bob, @alice: go', 'in a list'],
    ["@bob's turn", 'with a genitive'],
    ['over to @bob.', 'before a full stop'],
    ['over to @bob... please', 'before an ellipsis'],
    ['over to @bob...please', 'before an ellipsis without a space'],
    ['over to @bob.\nNext line', 'before a full stop and a line break'],
    ['over to @bob - now', 'before a dash'],
    ['over to @bob -', 'before a final dash'],
    ['over to @bob/', 'before a lone slash'],
    ['over to @bob\u2014now', 'before an em dash'],
    ['@bob?!', 'before several marks'],
    ['hello\n@bob', 'on a line of its own'],
    ['你好@bob请看', 'between letters of a script without spaces'],
    ['<@bob>', 'in angle brackets'],
    ['@all stand up', 'by @all'],
    ['@ALL', 'by @ALL'],
    ['first `code` then @bob then `more`', 'between code spans'],
    ['```\ncode\n```\n@bob', 'after a fenced block'],
    ['```ls``` @bob', 'after a code span of three backticks that starts its line'],
    ['it`s @bob', 'after a stray backtick'],
    ['a ` stray one\n\n@bob\n\nanother ` stray one', 'between stray backticks of different paragraphs'],
    ['- a ` stray one\n- @bob\n- another ` stray one', 'between stray backticks of different list items'],
    ['`` x ` @bob', 'after backtick runs of different lengths'],
    ['\\`@bob\\`', 'between escaped backticks'],
    ['`C:\\` @bob `x`', 'after a code span that ends with a backslash'],
    ['1. ```js\n   code()\n   ```\n@bob', 'after a fenced block inside a list item'],
    ['> ```\n> code\n> ```\n@bob', 'after a fenced block inside a quotation'],
    ['```\r\ncode\r\n```\r\n@bob\r\n', 'after a fenced block with CRLF'],
    ['````\n```\n````\n@bob', 'after a fence that holds a shorter fence'],
    ['~~~\n```\n~~~\n@bob', 'after a tilde fence that holds a backtick fence'],
    ['a ~~~ b @bob', 'after tildes inside a line'],
  ])('hears %j (%s)', (content) => {
    expect(isMentioned(content, 'bob')).toBe(true);
  });

  it.each([
    ['bob', 'no @'],
    ['@bobby', 'a longer id'],
    ['@bob-prime', 'a longer id with a dash'],
    ['@bob--prime', 'a longer id with two dashes'],
    ['@bob.prime', 'a longer id with a dot'],
    ['@bob_2', 'a longer id with an underscore'],
    ['@bob+1', 'a longer id with a plus'],
    ['@big-bob', 'the end of a longer id'],
    ['x@bob.com', 'an e-mail address'],
    ['x@all.com', 'an e-mail address at all.com'],
    ['first.last@bob', 'an e-mail address without a domain ending'],
    ['@all-hands', 'an id that begins with all'],
    ['@allison', 'an id that begins with all, no separator'],
    ['npm i @bob/tools', 'a package scope'],
    ['node_modules/@bob', 'a path'],
    ['https://example.com/@bob', 'a URL'],
    ['@@bob', 'a doubled @'],
    ['`@bob`', 'a code span'],
    ['``a ` @bob``', 'a code span of two backticks'],
    ['`one\n@bob`', 'a code span over two lines'],
    ['```\n@bob\n```', 'a fenced block'],
    ['```ts\n@bob\n```', 'a fenced block with a language'],
    ['~~~\n@bob\n~~~', 'a fenced block of tildes'],
    ['  ```\n  @bob\n  ```', 'an indented fenced block'],
    ['- ```\n  @bob\n  ```', 'a fenced block inside a list item'],
    ['````\n```\n@bob\n````', 'a fence that holds a shorter fence'],
    ['text\n```\n@bob', 'a fenced block that is never closed'],
  ])('does not hear %j (%s)', (content) => {
    expect(isMentioned(content, 'bob')).toBe(false);
  });

  it.each(['c++', 'a.b', 'a-b', 'A_1', 'x+', '007'])(
    'knows the id %s, whatever it means to a pattern',
    (id) => {
      expect(isMentioned(`ping @${id}, please`, id)).toBe(true);
      expect(isMentioned(`@${id}`, id)).toBe(true);
      expect(isMentioned(`@${id}x`, id)).toBe(false);
    },
  );

  it('takes a dot in the id for a dot', () => {
    expect(isMentioned('@axb', 'a.b')).toBe(false);
  });
});

describe('mentionsOf', () => {
  it('lists each id once, lower-cased, in order', () => {
    expect(mentionsOf('@Bob, @alice. @bob and @all (@c++) @a.b-c!')).toEqual([
      'bob',
      'alice',
      'all',
      'c++',
      'a.b-c',
    ]);
  });

  it('leaves punctuation, addresses, packages and code out', () => {
    expect(mentionsOf('@bob... x@y.z @acme/pkg `@code` @-x @ @bob--')).toEqual(['bob']);
  });

  it('ends an id before two dots, which no id has', () => {
    expect(mentionsOf('@a..b')).toEqual(['a']);
  });

  it('agrees with isMentioned on any text', () => {
    const token = fc.constantFrom(
      ...[
        '@',
        'bob',
        'al',
        'all',
        '.',
        '-',
        '+',
        '/',
        '`',
        '``',
        '```',
        '\n',
        '\n\n',
        ' ',
        ',',
        '- ',
        '\\',
        '~~~',
        '> ',
      ],
    );
    const text = fc.array(token, { maxLength: 24 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (content) => {
        const listed = mentionsOf(content);
        for (const id of listed) expect(isMentioned(content, id)).toBe(true);
        expect(isMentioned(content, 'bob')).toBe(listed.includes('bob') || listed.includes('all'));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('withoutCode', () => {
  it('leaves text without code as it is', () => {
    expect(withoutCode('a *b*\n\n# c\n')).toBe('a *b*\n\n# c\n');
  });

  it.each([
    [
      'runs of backticks of every length',
      Array.from({ length: 1_400 }, (_, n) => '`'.repeat(n + 1)).join(' '),
    ],
    ['one endless run', '`'.repeat(1_000_000)],
    ['unmatched fences', '```a`\n'.repeat(150_000)],
    ['list markers', `${'- '.repeat(500_000)}\`\`\``],
    ['an id with endless dots', `@a${'.'.repeat(1_000_000)}b`],
    ['an id with endless dashes', `@a${'-'.repeat(1_000_000)}/`],
    ['an endless id in a path', `@${'a'.repeat(1_000_000)}/b`],
    ['many mentions', '@a-'.repeat(330_000)],
    ['backslashes', `${'\\'.repeat(500_000)}\`@a\``],
  ])('takes linear time for a megabyte of %s', (_, content) => {
    // Processor time: other processes must not fail this test.
    const start = process.cpuUsage();
    isMentioned(`${content} @x`, 'bob');
    mentionsOf(`${content} @x`);
    expect(process.cpuUsage(start).user).toBeLessThan(3_000_000);
  });
});
