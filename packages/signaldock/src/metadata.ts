import { mentionsOf, type WireMetadata, withoutCode } from '@cleocode/contracts';

const READ_CHARACTERS = 2_000;
const DIRECTIVE = /(?<![\w/.:-])\/(action|info|review|decision|blocked)(?![\w/-]|\.\w)/gi;
const TAG = /(?<![\p{L}\p{N}_#&/])#\p{L}[\p{L}\p{N}_-]*/gu;
const TASK = /(?<![\w./-])T\d{1,9}(?![\w/-]|\.\w)/g;

const LISTS = ['mentions', 'directives', 'tags', 'taskRefs'] as const;

/**
 * What the first 2,000 characters of `content` say beside their meaning: `@mention`, `/directive`, `#tag`, `T123`.
 * Code is not read. Joined with what the sender gave; `undefined` when there is nothing.
 */
export function metadataOf(content: string, given: WireMetadata | undefined): WireMetadata | undefined {
  const prose = withoutCode(beginning(content));
  const read = {
    mentions: mentionsOf(prose),
    directives: prose.includes('/') ? matches(prose, DIRECTIVE, (match) => match[1]!.toLowerCase()) : [],
    tags: prose.includes('#') ? matches(prose, TAG, (match) => match[0]) : [],
    taskRefs: prose.includes('T') ? matches(prose, TASK, (match) => match[0]) : [],
  };
  const metadata: WireMetadata = { ...given };
  for (const list of LISTS) {
    const own = list === 'mentions' ? given?.mentions?.map((id) => id.toLowerCase()) : given?.[list];
    const all = [...new Set([...read[list], ...(own ?? [])])];
    if (all.length > 0) metadata[list] = all;
  }
  return Object.keys(metadata).length > 0 ? metadata : undefined;
}

function matches(text: string, pattern: RegExp, pick: (match: RegExpExecArray) => string): string[] {
  return Array.from(text.matchAll(pattern), pick);
}

/** Without a word that the cut would shorten to another word. */
function beginning(content: string): string {
  if (content.length <= READ_CHARACTERS) return content;
  const cut = content.slice(0, READ_CHARACTERS);
  return /^\s/.test(content[READ_CHARACTERS]!) ? cut : cut.replace(/\S+$/, '');
}
