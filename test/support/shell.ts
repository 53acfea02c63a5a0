const TOKEN =
  /\\\n|#.*|(?<operator>\n|&&|\|\||[|&;(){}])|(?<redirect>\d?[<>]+&?\s*[^\s;|&]+)|(?<word>(?:'[^']*'|"(?:\\.|[^"\\])*"|\$\([^)]*\)|\\.|[^\s'"\\|&;(){}<>#]|(?<=\S)[#{}])+)/g;

/**
 * The simple commands of a script, each as its words without quotes, as far as documents use the shell. What stands before a
 * command is left out: assignments, `npx`, `export` and words of the shell itself.
 */
export function shellCommands(script: string): string[][] {
  const commands: string[][] = [[]];
  for (const { groups } of script.matchAll(TOKEN)) {
    if (groups?.operator !== undefined) commands.push([]);
    else if (groups?.word !== undefined) commands.at(-1)!.push(unquoted(groups.word));
  }
  return commands.map(withoutPrefix).filter((words) => words.length > 0);
}

const PREFIX = /^(?:[A-Z_]+=.*|export|exec|if|then|else|do|npx|-y|pnpm@\d+)$/s;

function withoutPrefix(words: string[]): string[] {
  const first = words.findIndex((word) => !PREFIX.test(word));
  return first < 0 ? [] : words.slice(first);
}

function unquoted(word: string): string {
  return word.replaceAll(
    /'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)/g,
    (_, single, double, escaped) => single ?? double ?? escaped,
  );
}
