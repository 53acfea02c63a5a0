import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_MS = 20;
/** How long the system may take to remove what was killed. */
const KILLED_MS = 1_000;

/** Groups whose processes must not outlive this one. */
const live = new Set<number>();

/**
 * A child and everything it started, as long as they stay in its process group (a process that makes a session of its own
 * has left). On Windows, which has no such groups, only the child itself.
 */
export class ProcessGroup {
  readonly #pid: number;
  readonly #graceMs: number;
  #ending: Promise<void> | undefined;

  /** `pid` leads the group: it was spawned with `detached`. */
  constructor(pid: number, graceMs: number) {
    this.#pid = pid;
    this.#graceMs = graceMs;
    if (live.size === 0) process.on('exit', killAll);
    live.add(pid);
  }

  /** SIGTERM to every process of the group, SIGKILL after the grace to what is left. Resolves when none is. */
  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    if (send(this.#pid, 'SIGTERM') && !(await this.#gone(this.#graceMs))) {
      send(this.#pid, 'SIGKILL');
      await this.#gone(KILLED_MS);
    }
    live.delete(this.#pid);
    if (live.size === 0) process.off('exit', killAll);
  }

  async #gone(withinMs: number): Promise<boolean> {
    const deadline = performance.now() + withinMs;
    while (send(this.#pid, 0)) {
      if (performance.now() >= deadline) return false;
      await sleep(LOOK_MS);
    }
    return true;
  }
}

/** The last resort of a process that ends without waiting for its children. */
function killAll(): void {
  for (const pid of live) send(pid, 'SIGKILL');
}

/** Answers whether the group is still there. */
function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(process.platform === 'win32' ? pid : -pid, signal);
  } catch {
    // Gone, or no longer ours to signal: either way there is nothing more to do.
    return false;
  }
}
