import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';

/** A process of that id has ended; one that its parent has not taken notice of yet counts as ended. */
export function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name of the program, in brackets, may hold anything.
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return false;
  }
}

/** Whether that process has the file open, as far as the system tells; where it does not, it counts as so. */
export function hasOpen(pid: number, file: string): boolean {
  if (process.platform !== 'linux') return true;
  const folder = `/proc/${pid}/fd`;
  try {
    const real = realpathSync(file);
    return readdirSync(folder).some((fd) => target(join(folder, fd)) === real);
  } catch (error) {
    // Another user's process: a signal to it is refused as well.
    return (error as NodeJS.ErrnoException).code === 'EACCES';
  }
}

function target(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    // Closed meanwhile.
    return undefined;
  }
}
