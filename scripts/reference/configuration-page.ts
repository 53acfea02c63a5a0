import { VARIABLES } from '../../packages/cleo/src/environment.ts';
import { code, table } from './markdown.ts';
import { optionSections } from './option-sections.ts';

/** Every option and every variable, as a document. */
export function configurationPage(): string {
  return [
    '# Every option',
    'What the schemas take, with the defaults and bounds that the code has. [Configuration](../configuration.md) tells how a configuration is found, written and overridden.',
    ...optionSections().flatMap(({ heading, words, prefix, options }) => [
      `## ${heading}`,
      words,
      table(
        ['option', 'type', 'default', 'bounds', 'meaning'],
        options.map((option) => [
          code(prefix + option.name),
          option.type,
          option.fallback,
          option.bounds,
          option.words,
        ]),
      ),
    ]),
    '## Environment variables',
    'For the `cleo` command; [what each outranks](../configuration.md#environment-variables).',
    table(
      ['variable', 'meaning'],
      Object.entries(VARIABLES).map(([name, words]) => [code(name), words]),
    ),
    '',
  ].join('\n\n');
}
