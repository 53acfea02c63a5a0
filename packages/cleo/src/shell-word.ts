/** One word for a POSIX shell, quoted where it has to be, in command lines for a person to paste. */
export function shellWord(text: string): string {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
