import { join } from 'node:path';
import { expect, it } from 'vitest';
import { pathOf } from './command.ts';
import { everyCommand } from './help.test.kit.ts';

const REFERENCE = join(import.meta.dirname, '../../../docs/commands.md');

/** `vitest run packages/cleo/src/help.test.ts --update` writes it anew. */
it('has a page of the documentation that shows the help of every command as it is', async () => {
  let shown = '';
  const output = {
    json: false,
    help(text: string) {
      shown += text;
    },
  };
  const sections = everyCommand(output).map((command) => {
    shown = '';
    command.outputHelp();
    return `## ${pathOf(command)}\n\n\`\`\`text\n${shown.replace(GLOBAL, '').trimEnd()}\n\`\`\`\n`;
  });
  await expect([HEAD, ...sections].join('\n')).toMatchFileSnapshot(REFERENCE);
});

const HEAD = `# Every command

What \`--help\` shows, the options that every command has only once. What a script may rely on stands in [the README of the command](../packages/cleo/README.md).
`;

const GLOBAL = /\nGlobal Options:\n(?: .*\n)+/;
