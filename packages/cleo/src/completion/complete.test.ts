import { expect, it } from 'vitest';
import { Output } from '../output.ts';
import { buildProgram } from '../program.ts';
import { complete } from './complete.ts';

const { command: program } = buildProgram(new Output({ json: false, verbose: false }));

it.for([
  ['cleo con', ['conversation', 'config']],
  ['cleo agent st', ['start', 'stop', 'status']],
  ['cleo help agent sta', ['start', 'status']],
  ['cleo agent send --reply', ['--reply-to']],
  ['cleo agent send --lo', ['--log-level']],
  ['cleo --log-level ', ['debug', 'info', 'warn', 'error']],
  ['cleo --log-level=w', ['--log-level=warn']],
  ['cleo agent poll ', ['bob', 'eve']],
  ['cleo agent start bob e', ['eve']],
  ['cleo agent poll bob ', []],
  ['cleo agent register ', []],
  ['cleo agent send hello --to b', ['bob']],
  ['cleo agent send --to=b', ['--to=bob']],
  // As a shell gives it that takes = for a word of its own.
  ['cleo agent send --to = b', ['bob']],
  ['cleo agent send --to =', ['bob', 'eve']],
  ['cleo conversation create --with bob,e', ['bob,eve']],
  ['cleo agent dead-letters re', ['replay']],
  ['cleo agent dead-letters bob d', ['drop']],
  ['cleo agent send -- --t', []],
  ['cleo completion ', ['bash', 'zsh', 'fish']],
  ['cleo nonsense --what ', []],
])('%s', async ([line, expected]) => {
  expect((await at(line as string)).candidates.map(({ value }) => value)).toEqual(expected);
});

it.for([
  ['cleo agent register --import ', 'files'],
  ['cleo -C ', 'folders'],
  ['cleo agent register --name ', undefined],
] as const)('%s goes on with %s', async ([line, paths]) => {
  expect((await at(line)).paths).toBe(paths);
});

it('looks for agents where -C leads', async () => {
  const looked: (string | undefined)[] = [];
  const agents = async (cwd: string | undefined) => {
    looked.push(cwd);
    return [];
  };
  for (const words of [
    ['-C', 'there', 'agent', 'poll', ''],
    ['--cwd=here', 'agent', 'poll', ''],
    ['agent', 'poll', ''],
  ])
    await complete(program, words, { agents });
  expect(looked).toEqual(['there', 'here', undefined]);
});

function at(line: string) {
  return complete(program, line.split(' ').slice(1), { agents: async () => ['bob', 'eve'] });
}
