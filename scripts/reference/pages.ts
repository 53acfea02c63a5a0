import { apiPages } from './api.ts';
import { configurationPage } from './configuration-page.ts';

/** Where the pages are, relative to the workspace root. */
export const FOLDER = 'docs/reference';

/** Every page that is made from the source, by its file below the folder. */
export function referencePages(): Map<string, string> {
  const api = apiPages();
  return new Map([['README.md', contents(api)], ['configuration.md', configurationPage()], ...api]);
}

function contents(api: [file: string, text: string][]): string {
  return [
    '# Reference',
    'These pages are made from the source by `npx -y pnpm@12 docs:reference`; a test fails while they are not what it says.',
    [
      '- [Every option](configuration.md) of the configuration, the plugins and the transports',
      '- [Every command](../commands.md)',
      '- [Every error code](../errors.md)',
    ].join('\n'),
    '## Exports of each package',
    api
      .map(([file, text]) => {
        const [heading, words] = text.split('\n\n');
        return `- [${heading!.slice(2)}](${file}): ${words}`;
      })
      .join('\n'),
    '',
  ].join('\n\n');
}
