import { resolve } from 'node:path';
import { CleoError, errorText } from '@cleocode/contracts';
import { definePlugin, packageVersion } from '@cleocode/kernel/define';
import { z } from 'zod';
import { prepareFolder, writeAtomically } from './atomic-file.ts';
import { fileName } from './file-name.ts';

const options = z.strictObject({
  /** Where the files go; made if it is not there. From the working directory of the agent's process. */
  dir: z.string().trim().min(1),
});

/** Options of `file`. */
export type FileOptions = z.input<typeof options>;

/** Writes each message to a JSON file of its own. A message is done when its file is whole and on disk. */
const file = definePlugin({
  name: '@cleocode/plugin-deliver/file',
  version: packageVersion(import.meta.url),
  apiVersion: 1,
  options,
  setup(ctx, { dir }) {
    const folder = resolve(dir);
    ctx.on('init', () => prepareFolder(folder).catch(failed(`file: ${folder} cannot be used`)));
    ctx.on('message', ({ message, signal }) => {
      const name = fileName(message.id);
      return writeAtomically(folder, name, `${JSON.stringify(message)}\n`, signal).catch((error) => {
        if (signal.aborted) throw signal.reason;
        return failed(`file: ${name} could not be written to ${folder}`)(error);
      });
    });
  },
});

export default file;

function failed(what: string): (error: unknown) => never {
  return (error) => {
    throw new CleoError('E_FILE_WRITE', `${what}: ${errorText(error)}`, {
      hint: 'Check that the folder exists and may be written to, and that the disk has room.',
      cause: error,
    });
  };
}
