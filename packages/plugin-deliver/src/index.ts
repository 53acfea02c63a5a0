export { type ExecOptions, exec } from './exec.ts';
export { LinePrinter } from './line-printer.ts';
export { humanLine, jsonLine } from './message-line.ts';
export { type RunInput, type RunResult, ShellCommand, type ShellCommandOptions } from './shell-command.ts';
export { type StdoutOptions, stdout } from './stdout.ts';
