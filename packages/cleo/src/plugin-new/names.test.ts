import { expect, it } from 'vitest';
import { namesOf } from './names.ts';

it.each([
  ['answer', 'cleo-plugin-answer', 'answer'],
  ['answer-twice', 'cleo-plugin-answer-twice', 'answerTwice'],
  ['cleo-plugin-answer', 'cleo-plugin-answer', 'answer'],
  ['@acme/answer', '@acme/answer', 'answer'],
  ['@acme/cleo-plugin-x2_y.z', '@acme/cleo-plugin-x2_y.z', 'x2YZ'],
  ['3d', 'cleo-plugin-3d', 'plugin3d'],
  ['cleo-plugin', 'cleo-plugin', 'plugin'],
  // Words of the language, and of the files themselves.
  ['default', 'cleo-plugin-default', 'defaultPlugin'],
  ['agent', 'cleo-plugin-agent', 'agentPlugin'],
])('%s is the package %s and the plugin %s', (given, name, camel) => {
  expect(namesOf(given, 'plugin')).toMatchObject({ package: name, camel });
});

it('calls a transport one', () => {
  expect(namesOf('pigeon', 'transport')).toEqual({
    package: 'cleo-transport-pigeon',
    camel: 'pigeon',
    pascal: 'Pigeon',
  });
});

it.each([
  ['Answer', ': answer.'],
  ['answerTwice', ': answer-twice.'],
  ['@Acme/My Plugin', ': @acme/my-plugin.'],
  ['../evil', ': evil.'],
  ['', 'with a scope.'],
  ['ä', 'with a scope.'],
  ['@acme/', 'with a scope.'],
  ['a'.repeat(300), 'with a scope.'],
])('refuses %j', (given, hint) => {
  expect(() => namesOf(given, 'plugin')).toThrow(
    expect.objectContaining({ code: 'E_USAGE', hint: expect.stringContaining(hint) }),
  );
});
