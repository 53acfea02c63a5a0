import { expect, it } from 'vitest';
import { excerpt, printable, table } from './terminal-text.ts';

it('takes out what would move the cursor, recolour or retitle a terminal', () => {
  expect(printable('a\u001b[31mred\u001b[0m\u001b]0;title\u0007\u009b2Jb\u0000\u202ec')).not.toMatch(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not get through
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/,
  );
});

it('keeps ordinary text as it is', () => {
  const text = 'Grüße, 世界 👋\n\ttabbed';
  expect(printable(text)).toBe(text);
});

it('cannot be used to forge a line', () => {
  expect(`← ada: ${excerpt('one\r\n● bob is ready\rtwo')}`).toBe('← ada: one\n  ● bob is ready\ufffdtwo');
});

it('aligns columns and leaves no spaces at the end', () => {
  expect(
    table([
      ['a', 'long', 'x'],
      ['bb', 'c', ''],
    ]),
  ).toBe('a   long  x\nbb  c     ');
});
