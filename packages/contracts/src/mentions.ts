const WORD = 'A-Za-z0-9_+';
const BEFORE = `(?<![${WORD}.@/-])@`;
const AFTER = `(?![${WORD}/]|[.-]+[${WORD}])`;

/**
 * Whether `content` calls `agentId` by name (`@agentId`) or everyone (`@all`).
 *
 * A mention is a whole token, in any case: not part of a longer id, an e-mail address, a path or a package name, and
 * not inside code (fenced or in backticks). Punctuation after it is allowed: `@bob.` and `@c++!` count.
 */
export function isMentioned(content: string, agentId: string): boolean {
  if (!content.includes('@')) return false;
  const pattern = new RegExp(`${BEFORE}(?:${literal(agentId)}|all)${AFTER}`, 'i');
  return pattern.test(withoutCode(content));
}

/** The ids that `content` mentions, lower-cased, each once, in order; `all` included. */
export function mentionsOf(content: string): string[] {
  if (!content.includes('@')) return [];
  const found = withoutCode(content).matchAll(
    new RegExp(`${BEFORE}([A-Za-z0-9](?:[${WORD}]|[.-]+(?=[${WORD}]))*)${AFTER}`, 'g'),
  );
  return [...new Set([...found].map((match) => match[1]!.toLowerCase()))];
}

function withoutCode(content: string): string {
  return content
    .replace(/^(`{3,}|~{3,})[\s\S]*?(?:^\1|(?![\s\S]))/gm, ' ')
    .replace(/(`+)(?!`)[\s\S]*?[^`]\1(?!`)/g, ' ');
}

/** Escapes what an agent id may hold that a pattern would read otherwise. */
function literal(agentId: string): string {
  return agentId.replace(/[^A-Za-z0-9_]/g, '\\$&');
}
