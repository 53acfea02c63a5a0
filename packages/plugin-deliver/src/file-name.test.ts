import { describe, expect, it } from 'vitest';
import { fileName } from './file-name.ts';

it('is the id where that is safe as a name', () => {
  expect(fileName('0199a6e4-3f7c-7a51-9b0e-2f6c1d8a4b11')).toBe('0199a6e4-3f7c-7a51-9b0e-2f6c1d8a4b11.json');
  expect(fileName('m1')).toBe('m1.json');
  expect(fileName('a.b_c-1')).toBe('a.b_c-1.json');
});

describe('an id that is no safe name', () => {
  const hostile = [
    ...['../../etc/passwd', '/etc/passwd', '..', '.', '.hidden', '..\\..\\x', 'C:\\x', 'a/b', 'a\0b'],
    ...['con', 'nul.x', 'com1', '-rf', '~x', 'a b', 'line\nbreak', '💥', '\ud800', 'x'.repeat(300), 'M1'],
  ];

  it.each(hostile)('%j stays one plain name in its folder', (id) => {
    expect(fileName(id)).toMatch(/^[a-z0-9._-]{0,40}~[0-9a-f]{64}\.json$/);
    expect(fileName(id)).not.toMatch(/^\./);
    expect(fileName(id)).toBe(fileName(id));
  });

  it('never has the name of another id, not even where case or half a character is all that differs', () => {
    const ids = [...hostile, 'm1', 'a-b', '\udbff', '\ufffd', 'a:b', 'a?b'];
    const names = new Set(ids.map((id) => fileName(id).toLowerCase()));
    expect(names.size).toBe(ids.length);
  });

  it('cannot be had by a safe id', () => {
    const name = fileName('../x').replace(/\.json$/, '');
    expect(fileName(name)).not.toBe(fileName('../x'));
  });

  it('keeps what can be read of it', () => {
    expect(fileName('Order 17/b')).toMatch(/^order-17-b~/);
  });
});
