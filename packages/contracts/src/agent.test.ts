import { describe, expect, it } from 'vitest';
import { agentIdSchema } from './agent.ts';

describe('agentIdSchema', () => {
  it.each(['a', 'cleo-dev', 'c++', 'a.b', 'A_1', '007', 'x'.repeat(64)])('takes %s', (id) => {
    expect(agentIdSchema.parse(id)).toBe(id);
  });

  it.each([
    '',
    'x'.repeat(65),
    '-a',
    '.a',
    '_a',
    '+a',
    'a b',
    'a/b',
    'a\\b',
    'a..b',
    '..',
    'a\n',
    'a\0',
    'a:b',
    '@a',
    'a%2e',
    'ä',
    'a\u202eb',
  ])('refuses %j', (id) => {
    const result = agentIdSchema.safeParse(id);
    expect(result.success).toBe(false);
    expect(result.error?.issues[0]?.message).toContain('an agent id is 1 to 64');
  });
});
