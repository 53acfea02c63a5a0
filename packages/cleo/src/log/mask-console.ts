import { Console } from 'node:console';
import { Writable } from 'node:stream';
import { redact } from '@cleocode/contracts';

/**
 * From here on, what plugins and configurations print by `console` is masked as the log is. Beside `json` it is a line of the log on
 * stderr: stdout has nothing but what a program was promised. What is written to the streams themselves stays as it is.
 */
export function maskConsole({ json }: { json: boolean }): void {
  const own = new Console({
    stdout: json ? asLog('info') : masked(process.stdout),
    stderr: json ? asLog('warn') : masked(process.stderr),
    groupIndentation: 2,
  });
  // The methods of the one that is there: a module may hold it already.
  Object.assign(console, own);
}

function masked(stream: NodeJS.WriteStream): Writable {
  const writable = taking((text) => stream.write(redact(text)));
  // By these a console decides whether it shows colours.
  return Object.assign(writable, {
    isTTY: stream.isTTY,
    ...(stream.isTTY && { getColorDepth: () => stream.getColorDepth() }),
  });
}

function asLog(level: 'info' | 'warn'): Writable {
  return taking((text) => {
    const message = redact(text).trimEnd();
    process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level, message })}\n`);
  });
}

/** Whatever is written to it has been taken at once: nothing is left in it when the process ends. */
function taking(take: (text: string) => void): Writable {
  return new Writable({
    decodeStrings: false,
    write(text: string, _encoding, done) {
      take(text);
      done();
    },
  });
}
