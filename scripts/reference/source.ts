import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { type Comment, type ParseResult, type Program, parseSync } from 'oxc-parser';

export const root = dirname(dirname(import.meta.dirname));

/** A source file as it was written, and as it was read. */
export interface Source {
  /** Relative to the workspace root. */
  file: string;
  text: string;
  program: Program;
  comments: Comment[];
  exports: ParseResult['module']['staticExports'];
}

export function sourceOf(file: string): Source {
  const known = sources.get(file);
  if (known) return known;
  const text = readFileSync(join(root, file), 'utf8');
  const { program, comments, module, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message}`);
  const source = { file, text, program, comments, exports: module.staticExports };
  sources.set(file, source);
  return source;
}

/** The file that a relative import of `file` leads to. */
export function besides(file: string, specifier: string): string {
  return relative(root, join(root, dirname(file), specifier));
}

/** The docstring that ends where `start` begins, with its marks, or `undefined`. */
export function commentBefore({ comments, text }: Source, start: number): string | undefined {
  const found = comments.findLast(({ end, type, value }) => {
    const isDocstring = type === 'Block' && value.startsWith('*') && end <= start;
    // A directive for the linter may stand between.
    return isDocstring && /^(?:\s|\/\/.*\n)*$/.test(text.slice(end, start));
  });
  return found && text.slice(found.start, found.end);
}

/** The words of a docstring. */
export function wordsOf(comment: string): string {
  return comment
    .slice('/**'.length, -'*/'.length)
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trim())
    .join('\n')
    .trim();
}

const sources = new Map<string, Source>();
