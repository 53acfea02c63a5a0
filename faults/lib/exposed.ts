import { readdirSync, readFileSync } from 'node:fs';

/**
 * What others can read of a process: its command line, and the command lines and environments of all processes below it. Its
 * own environment is what its operator gave it. Empty where there is no `/proc`, and of a process that is gone.
 */
export function exposedBy(pid: number): string[] {
  const texts = [read(pid, 'cmdline')];
  const below = children(pid);
  for (let next = below.pop(); next !== undefined; next = below.pop()) {
    texts.push(read(next, 'cmdline'), read(next, 'environ'));
    below.push(...children(next));
  }
  return texts.filter((text) => text !== '');
}

function children(pid: number): number[] {
  return ids(`/proc/${pid}/task`).flatMap((thread) =>
    read(pid, `task/${thread}/children`).split(' ').filter(Boolean).map(Number),
  );
}

function ids(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}
