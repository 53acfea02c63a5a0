export { default as exec, type ExecOptions } from './exec.ts';
export { default as file, type FileOptions } from './file.ts';
export { LinePrinter } from './line-printer.ts';
export { humanLine, jsonLine } from './message-line.ts';
export { type RunInput, type RunResult, ShellCommand, type ShellCommandOptions } from './shell-command.ts';
export { default as stdout, type StdoutOptions } from './stdout.ts';
export { default as webhook, type WebhookOptions } from './webhook.ts';
export { type WebhookAllowances, webhookUrlFault } from './webhook-url.ts';
