/** What an agent id is made of, without the separators `.` and `-`, which may also be punctuation after it. */
const WORD = 'A-Za-z0-9_+';
const SEPARATOR = String.raw`(?:-|\.(?!\.))`;
const BEFORE = `(?<![${WORD}.@/-])@`;
const AFTER = `(?![${WORD}]|/[${WORD}.]|${SEPARATOR}+[${WORD}])`;
const FENCE_OPENS = /^[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*(?:(`{3,})[^`]*|(~{3,}).*)$/;
const FENCE_CLOSES = /^[ \t>]*(`{3,}|~{3,})[ \t\r]*$/;
const BLOCK_STARTS = /^[ \t]*(?:[-*+>]|#{1,6}|\d{1,9}[.)])(?:[ \t]|$)/;
const ANY = new RegExp(`${BEFORE}([A-Za-z0-9](?:[${WORD}]|${SEPARATOR}+(?=[${WORD}]))*)${AFTER}`, 'g');

/**
 * Whether `content` calls `agentId` by name (`@agentId`) or everyone (`@all`).
 *
 * A mention is a whole token, in any case: not part of a longer id, an e-mail address, a path or a package name, and
 * not inside code (fenced or in backticks). Punctuation after it is allowed: `@bob.` and `@c++!` count. Takes time
 * linear in the length of `content`, whatever it holds.
 */
export function isMentioned(content: string, agentId: string): boolean {
  if (!content.includes('@')) return false;
  const pattern = new RegExp(`${BEFORE}(?:${literal(agentId)}|all)${AFTER}`, 'i');
  return pattern.test(withoutCode(content));
}

/** The ids that `content` mentions, lower-cased, each once, in order; `all` included. */
export function mentionsOf(content: string): string[] {
  if (!content.includes('@')) return [];
  return [...new Set([...withoutCode(content).matchAll(ANY)].map((match) => match[1]!.toLowerCase()))];
}

/**
 * `content` without its Markdown code: fenced blocks and code spans. As in CommonMark, a fence that is never closed
 * reaches to the end, and a code span stays inside its paragraph: a stray backtick does not hide the rest.
 */
export function withoutCode(content: string): string {
  if (!content.includes('`') && !content.includes('~~~')) return content;
  const prose: string[] = [];
  let paragraph: string[] = [];
  const endParagraph = () => {
    prose.push(withoutCodeSpans(paragraph.join('\n')));
    paragraph = [];
  };
  let fence: string | undefined;
  for (const line of content.split('\n')) {
    if (fence) {
      if (FENCE_CLOSES.exec(line)?.[1]?.startsWith(fence)) fence = undefined;
      continue;
    }
    // A backtick in the rest of the line would make it a code span: "```ls``` @bob".
    const opens = FENCE_OPENS.exec(line);
    fence = opens?.[1] ?? opens?.[2];
    if (fence || line.trim() === '' || BLOCK_STARTS.test(line)) endParagraph();
    if (!fence) paragraph.push(line);
  }
  endParagraph();
  return prose.join('\n');
}

/** A code span opens with a run of backticks and closes with the next run of the same length. */
function withoutCodeSpans(paragraph: string): string {
  if (!paragraph.includes('`')) return paragraph;
  const runs: { at: number; end: number; closing?: number }[] = [];
  for (let at = paragraph.indexOf('`'); at !== -1; at = paragraph.indexOf('`', runs.at(-1)!.end)) {
    let end = at + 1;
    while (paragraph[end] === '`') end++;
    runs.push({ at, end });
  }
  // Found from the end, so that no run is searched for twice: unmatched runs must not cost quadratic time.
  const nextOfLength = new Map<number, number>();
  for (let index = runs.length - 1; index >= 0; index--) {
    const run = runs[index]!;
    run.closing = nextOfLength.get(run.end - run.at);
    nextOfLength.set(run.end - run.at, index);
  }
  const prose: string[] = [];
  let from = 0;
  for (let index = 0; index < runs.length; index++) {
    const { at, closing } = runs[index]!;
    if (closing === undefined || isEscaped(paragraph, at)) continue;
    prose.push(paragraph.slice(from, at));
    from = runs[closing]!.end;
    index = closing;
  }
  return [...prose, paragraph.slice(from)].join(' ');
}

/** An odd number of backslashes stands before `at`. */
function isEscaped(text: string, at: number): boolean {
  let before = at;
  while (text[before - 1] === '\\') before--;
  return (at - before) % 2 === 1;
}

/** Escapes what an agent id may hold that a pattern would read otherwise. */
function literal(agentId: string): string {
  return agentId.replace(/[^A-Za-z0-9_]/g, '\\$&');
}
