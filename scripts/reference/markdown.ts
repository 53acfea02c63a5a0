/** A table whose cells are Markdown already. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(inCell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

export function code(text: string): string {
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``;
}

/** A number as the documents write it: 30,000. */
export function figure(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 20 });
}

/** The first paragraph, as one line. */
export function firstParagraph(text: string): string {
  return text.split(/\n\s*\n/)[0]!.replaceAll(/\s*\n\s*/g, ' ');
}

function inCell(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ').replaceAll(/(?<!\\)\|/g, '\\|');
}
