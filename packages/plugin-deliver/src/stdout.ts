import { definePlugin, packageVersion } from '@cleocode/kernel/define';
import { z } from 'zod';
import { LinePrinter } from './line-printer.ts';
import { humanLine, jsonLine } from './message-line.ts';

const options = z.strictObject({
  /** JSON instead of text for people. */
  json: z.boolean().default(false),
});

/** Options of `stdout`. */
export type StdoutOptions = z.input<typeof options>;

/** Prints one line per message. A message is done when the system has taken its line. */
const stdout = definePlugin({
  name: '@cleocode/plugin-deliver/stdout',
  version: packageVersion(import.meta.url),
  apiVersion: 1,
  options,
  setup(ctx, { json }) {
    ctx.on('init', () => {
      const printer = new LinePrinter(process.stdout);
      ctx.defer(() => printer.close());
      ctx.on('message', (delivery) =>
        printer.print(json ? jsonLine(delivery) : humanLine(delivery), delivery.signal),
      );
    });
  },
});

export default stdout;
