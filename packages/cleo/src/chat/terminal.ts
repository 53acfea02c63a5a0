import { createInterface, type Interface } from 'node:readline';

export interface TerminalOptions {
  input: NodeJS.ReadStream;
  output: NodeJS.WriteStream;
  prompt: string;
  /** Stands before each further line of a text that is not finished. */
  continued: string;
  /** A text to send: a line, or several. */
  onText(text: string): void;
  /** `/quit`, Ctrl-D or Ctrl-C. */
  onEnd(): void;
}

/** Lets a terminal say where a paste begins and ends. */
const MARK_PASTES = '\x1b[?2004h';
const NO_MARKS = '\x1b[?2004l';
const UP = (rows: number) => (rows > 0 ? `\x1b[${rows}A` : '');
const CLEAR_BELOW = '\r\x1b[J';
const HISTORY = 500;

/**
 * A line to type in, below what has been said: with readline's editing and history, and drawn again under each text that comes
 * while somebody types. What is pasted is one text, however many lines it has; Enter sends it. A line that ends with a
 * backslash goes on in the next.
 */
export class ChatTerminal {
  readonly #options: TerminalOptions;
  readonly #lines: Interface & { prevRows?: number };
  /** The lines of a text that is not finished. */
  #begun: string[] = [];
  #pasting = false;
  #closed = false;

  constructor(options: TerminalOptions) {
    const { input, output, prompt } = options;
    this.#options = options;
    this.#lines = createInterface({ input, output, prompt, terminal: true, historySize: HISTORY });
    output.write(MARK_PASTES);
    process.once('exit', this.#restore);
    this.#lines.on('line', (line) => this.#take(line));
    this.#lines.on('SIGINT', () => this.#end());
    this.#lines.on('close', () => this.#end());
    input.on('keypress', this.#onKey);
    this.#lines.prompt();
  }

  /** Shows a text above the line that is being typed. */
  show(text: string): void {
    const { output } = this.#options;
    if (this.#closed) {
      output.write(`${text}\n`);
      return;
    }
    output.write(`${UP(this.#lines.getCursorPos().rows)}${CLEAR_BELOW}${text}\n`);
    this.#lines.prevRows = 0;
    this.#lines.prompt(true);
  }

  /** Gives the terminal back as it was. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { input, output } = this.#options;
    input.off('keypress', this.#onKey);
    this.#lines.close();
    this.#restore();
    process.off('exit', this.#restore);
    output.write(CLEAR_BELOW);
  }

  #onKey = (_: unknown, key: { name?: string } | undefined): void => {
    if (key?.name === 'paste-start') this.#pasting = true;
    if (key?.name === 'paste-end') this.#pasting = false;
    // Readline draws from this many rows above the cursor, and does not count those of a paste.
    this.#lines.prevRows = this.#lines.getCursorPos().rows;
  };

  #restore = (): void => {
    this.#options.output.write(NO_MARKS);
  };

  #take(line: string): void {
    if (this.#closed) return;
    if (this.#pasting || line.endsWith('\\')) {
      this.#begun.push(this.#pasting ? line : line.slice(0, -1));
      this.#lines.setPrompt(this.#options.continued);
      this.#lines.prompt();
      return;
    }
    const text = [...this.#begun, line].join('\n');
    this.#begun = [];
    this.#lines.setPrompt(this.#options.prompt);
    if (text.trim() === '/quit') this.#end();
    else if (text.trim() !== '') this.#options.onText(text);
    if (!this.#closed) this.#lines.prompt();
  }

  #end(): void {
    if (this.#closed) return;
    this.#options.onEnd();
  }
}
