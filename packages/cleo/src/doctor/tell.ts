import type { Output } from '../output.ts';
import { printable } from '../terminal-text.ts';
import type { Finding } from './finding.ts';

export interface Group {
  title: string;
  findings: Finding[];
}

/** Shows what was found, in groups for a person. Answers how many errors there are. */
export function tell(output: Output, groups: readonly Group[]): number {
  const findings = groups.flatMap((group) => group.findings);
  const errors = findings.filter(({ status }) => status === 'error').length;
  const warnings = findings.filter(({ status }) => status === 'warning').length;
  if (output.json) {
    for (const finding of findings) output.line(finding);
    output.line({ ok: errors === 0, errors, warnings });
    return errors;
  }
  const width = Math.max(...findings.map(({ check }) => check.length));
  for (const { title, findings: found } of groups)
    output.text([title, ...found.map((one) => line(output, one, width)), ''].join('\n'));
  output.text(summary(errors, warnings));
  return errors;
}

const MARKS = {
  ok: ['green', 'ok     '],
  warning: ['yellow', 'warning'],
  error: ['red', 'error  '],
} as const;

function line(output: Output, { check, status, message, hint }: Finding, width: number): string {
  const [colour, mark] = MARKS[status];
  const head = `  ${output.style(colour, mark)}  ${check.padEnd(width)}  `;
  const indent = ' '.repeat(2 + mark.length + 2 + width + 2);
  const text = printable(message).trimEnd().replaceAll('\n', `\n${indent}`);
  if (hint === undefined || hint === '') return head + text;
  return `${head}${text}\n${indent}→ ${printable(hint).replaceAll('\n', `\n${indent}  `)}`;
}

function summary(errors: number, warnings: number): string {
  if (errors + warnings === 0) return 'All is well.';
  const count = (n: number, what: string) => (n === 0 ? [] : [`${n} ${what}${n === 1 ? '' : 's'}`]);
  return `${[...count(errors, 'error'), ...count(warnings, 'warning')].join(', ')}.`;
}
