import GithubSlugger from 'github-slugger';
import type { Nodes } from 'mdast';
import { fromMarkdown } from 'mdast-util-from-markdown';
import { toString as textOf } from 'mdast-util-to-string';
import { read } from './workspace.ts';

export interface Block {
  file: string;
  /** Of the opening fence, counted from 1. */
  line: number;
  /** What follows the language on the fence: `run` in "```ts run". */
  meta: string;
  code: string;
}

export interface Link {
  file: string;
  line: number;
  url: string;
}

/** The fenced blocks of one language. */
export function codeBlocks(file: string, lang: string): Block[] {
  return nodes(file).flatMap((node) =>
    node.type === 'code' && node.lang === lang
      ? [{ file, line: lineOf(node), meta: node.meta ?? '', code: node.value }]
      : [],
  );
}

/** Links, images and reference definitions that are relative: within the file or to another one. */
export function relativeLinks(file: string): Link[] {
  return nodes(file).flatMap((node) =>
    (node.type === 'link' || node.type === 'image' || node.type === 'definition') &&
    !/^[a-z]+:/i.test(node.url)
      ? [{ file, line: lineOf(node), url: node.url }]
      : [],
  );
}

/** The tables, each row by the headings of its columns. */
export function tables(file: string): Record<string, string>[][] {
  const found: Record<string, string>[][] = [];
  let head: string[] | undefined;
  for (const line of read(file).split('\n')) {
    const cells = line.startsWith('|') ? line.split(/(?<!\\)\|/).slice(1, -1) : undefined;
    if (!cells) head = undefined;
    else if (!head) {
      head = cells.map((cell) => cell.trim());
      found.push([]);
    } else if (!/^[\s|:-]+$/.test(line))
      found.at(-1)!.push(Object.fromEntries(head.map((name, at) => [name, cells[at]?.trim() ?? ''])));
  }
  return found;
}

/** What `file#…` may point at: the headings as GitHub slugs them, and ids written as HTML. */
export function anchors(file: string): Set<string> {
  const all = nodes(file);
  const known = anchored.get(all);
  if (known) return known;
  const slugger = new GithubSlugger();
  const found = new Set<string>();
  anchored.set(all, found);
  for (const node of all) {
    if (node.type === 'heading') found.add(slugger.slug(textOf(node)));
    if (node.type === 'html')
      for (const [, id] of node.value.matchAll(/\b(?:id|name)="([^"]+)"/g)) found.add(id!);
  }
  return found;
}

function nodes(file: string): Nodes[] {
  const text = read(file);
  const known = parsed.get(text);
  if (known) return known;
  const flatten = (node: Nodes): Nodes[] => [
    node,
    ...('children' in node ? node.children.flatMap(flatten) : []),
  ];
  const found = flatten(fromMarkdown(text));
  parsed.set(text, found);
  return found;
}

/** A page with hundreds of links to itself is read once. */
const parsed = new Map<string, Nodes[]>();
const anchored = new Map<Nodes[], Set<string>>();

function lineOf(node: Nodes): number {
  return node.position!.start.line;
}
