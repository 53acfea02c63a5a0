import { styleText } from 'node:util';
import { EXIT } from './exit-code.ts';
import type { Failure } from './failure.ts';

export interface OutputOptions {
  /** One JSON object per line on stdout, nothing else there. */
  json: boolean;
  /** Show stack traces. */
  verbose: boolean;
}

type Style = Parameters<typeof styleText>[0];

/** The two ways a command speaks: short text for a person, or JSON lines for a program. */
export class Output {
  readonly json: boolean;
  /** Runs when nobody reads stdout any more. A command that had somebody read its result is then at its end. */
  onReaderGone: () => void = () => process.exit(EXIT.done);
  /** Runs before a note is written: something else may stand in the line. */
  beforeNote: (() => void) | undefined;
  readonly #verbose: boolean;
  #help = '';

  constructor({ json, verbose }: OutputOptions) {
    this.json = json;
    this.#verbose = verbose;
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (!isReaderGone(error)) throw error;
      this.onReaderGone();
    });
    // There is nobody to tell it to: saying so would fail in the same way, for ever.
    process.stderr.on('error', (error: NodeJS.ErrnoException) => {
      if (!isReaderGone(error)) throw error;
    });
  }

  /** A person reads stdout as it is written. */
  get interactive(): boolean {
    return !this.json && process.stdout.isTTY === true;
  }

  /** The result: `text` for a person, `object` for a program. */
  result(object: Record<string, unknown>, text: string): void {
    if (this.json) this.line(object);
    else this.text(text);
  }

  /** A list: a row of text for each item, or a line of JSON for each and then `{"ok":true,"count":n}`. */
  list(items: readonly object[], text: () => string): void {
    if (this.json) for (const item of [...items, { ok: true, count: items.length }]) this.line(item);
    else this.text(text());
  }

  /** One line of JSON. */
  line(object: object): void {
    process.stdout.write(`${JSON.stringify(object)}\n`);
  }

  /** One line of JSON, whatever the command speaks otherwise. Resolves when the system has taken it; rejects when nobody reads any more. */
  lineTaken(object: object): Promise<void> {
    return new Promise((resolve, reject) => {
      process.stdout.write(`${JSON.stringify(object)}\n`, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Text for a person; nothing for a program. */
  text(text: string): void {
    if (!this.json && text !== '') process.stdout.write(`${text}\n`);
  }

  /** A piece of a help text; {@link endHelp} follows the last. */
  help(text: string): void {
    if (this.json) this.#help += text;
    else process.stdout.write(text);
  }

  endHelp(what: 'help' | 'version'): void {
    if (this.json) this.line({ ok: true, [what]: this.#help.trimEnd() });
  }

  /** Something to know beside the result, on stderr. */
  note(text: string): void {
    this.beforeNote?.();
    process.stderr.write(`${text}\n`);
  }

  failure({ code, message, hint, stack }: Failure): void {
    if (this.json) this.line({ ok: false, error: { code, message, hint } });
    else {
      process.stderr.write(`${this.#onStderr('red', 'error')} ${code}: ${message}\n`);
      if (hint) process.stderr.write(`${indent(hint, '  → ', '    ')}\n`);
    }
    if (this.#verbose) process.stderr.write(`${stack}\n`);
  }

  /** Colours text for stdout where stdout shows colours: a terminal, without `NO_COLOR`. */
  style(style: Style, text: string): string {
    return this.json ? text : styleText(style, text, { stream: process.stdout });
  }

  #onStderr(style: Style, text: string): string {
    return styleText(style, text, { stream: process.stderr });
  }

  /** Resolves when the system has taken everything written so far; rejects when nobody reads stdout any more. */
  async flushed(): Promise<void> {
    await Promise.all([taken(process.stdout), taken(process.stderr)]);
  }
}

/** A pipe whose reader has ended, or a terminal that was closed. */
function isReaderGone({ code }: NodeJS.ErrnoException): boolean {
  return code === 'EPIPE' || code === 'EIO';
}

function taken(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write('', (error) => (error ? reject(error) : resolve()));
  });
}

function indent(text: string, first: string, rest: string): string {
  return text
    .split('\n')
    .map((line, index) => (index === 0 ? first : rest) + line)
    .join('\n');
}
