import { describe, expect, it } from 'vitest';
import { metadataOf } from './metadata.ts';

describe('metadataOf', () => {
  it('reads mentions, directives, tags and task references', () => {
    expect(
      metadataOf('/action @Bob and @c++: close T12 and T7, see #release-2 #déjà /info', undefined),
    ).toEqual({
      mentions: ['bob', 'c++'],
      directives: ['action', 'info'],
      tags: ['#release-2', '#déjà'],
      taskRefs: ['T12', 'T7'],
    });
  });

  it('is undefined when there is nothing', () => {
    expect(metadataOf('nothing to see', undefined)).toBeUndefined();
    expect(metadataOf('', undefined)).toBeUndefined();
  });

  it('lists each thing once', () => {
    expect(metadataOf('@bob @BOB #a #a T1 T1 /review /REVIEW', undefined)).toEqual({
      mentions: ['bob'],
      directives: ['review'],
      tags: ['#a'],
      taskRefs: ['T1'],
    });
  });

  it.each([
    ['/etc/action', 'a path'],
    ['/action/run', 'a path that begins with a directive'],
    ['https://x.y/info', 'a URL'],
    ['/actions', 'a longer word'],
    ['/deploy', 'a word that is no directive'],
    ['and/or/review', 'alternatives'],
    ['# Title', 'a heading'],
    ['## Title', 'a deeper heading'],
    ['#123', 'an issue number'],
    ['a#b', 'a fragment'],
    ['x.y/#top', 'an anchor'],
    ['&#x27;', 'an entity'],
    ['T', 'a lone T'],
    ['T1000X', 'part of a word'],
    ['AT12', 'the end of a word'],
    ['T12-final', 'part of a name'],
    ['x@y.z', 'an address'],
    ['`@bob #tag /action T1`', 'code'],
    ['```c\n#include <T1>\n```', 'a code block'],
  ])('sees nothing in %j (%s)', (content) => {
    expect(metadataOf(content, undefined)).toBeUndefined();
  });

  it.each(['/blocked.', '(/blocked)', 'so: /blocked, sorry', '/blocked!\nT1'])(
    'sees the directive in %j',
    (content) => {
      expect(metadataOf(content, undefined)?.directives).toEqual(['blocked']);
    },
  );

  it('joins what the sender gave and keeps what it does not know', () => {
    expect(metadataOf('@bob', { mentions: ['Alice', 'bob'], taskRefs: ['T9'], project: 'cleo' })).toEqual({
      mentions: ['bob', 'alice'],
      taskRefs: ['T9'],
      project: 'cleo',
    });
  });

  it('reads the first 2,000 characters and does not cut a word short', () => {
    const padding = (length: number) => `${'x'.repeat(length - 1)} `;
    expect(metadataOf(`${padding(1_995)}@bob`, undefined)?.mentions).toEqual(['bob']);
    expect(metadataOf(`${padding(1_996)}@bob!`, undefined)).toBeUndefined();
    expect(metadataOf(`${padding(1_996)}@bob and more`, undefined)?.mentions).toEqual(['bob']);
    expect(metadataOf(`${padding(1_997)}@bobby`, undefined)).toBeUndefined();
    expect(metadataOf(`${padding(2_000)}@bob`, undefined)).toBeUndefined();
  });
});
