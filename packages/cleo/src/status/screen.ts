/** The parts of a terminal that a screen needs. */
export type ScreenOutput = Pick<NodeJS.WriteStream, 'write' | 'columns' | 'rows'>;

/** The other screen of a terminal, without a cursor and without wrapping; leaving it brings the first one back as it was. */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';
/** A terminal that knows these shows what stands between them at once. */
const BEGIN = '\x1b[?2026h';
const END = '\x1b[?2026l';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

/** Draws a text in place again and again: over the old one, so that nothing flickers and nothing scrolls. */
export class Screen {
  readonly #output: ScreenOutput;
  #open = true;

  constructor(output: ScreenOutput) {
    this.#output = output;
    output.write(ENTER);
    process.once('exit', this.close);
  }

  get columns(): number {
    return this.#output.columns || 80;
  }

  /** What does not fit is cut off. */
  draw(text: string): void {
    if (!this.#open) return;
    const lines = text.split('\n').slice(0, this.#output.rows || 24);
    this.#output.write(`${BEGIN}${HOME}${lines.join(`${CLEAR_LINE}\r\n`)}${CLEAR_LINE}${CLEAR_BELOW}${END}`);
  }

  close = (): void => {
    if (!this.#open) return;
    this.#open = false;
    process.off('exit', this.close);
    this.#output.write(LEAVE);
  };
}
