import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import { readdirSync, readlinkSync } from 'node:fs';

/** What Node calls the things that wait for the outside world, or for a time. */
const OUTSIDE =
  /^(Timeout|Immediate|FS|FILEHANDLE|STATWATCHER|DIRHANDLE|TCP|PIPE|UDP|TLS|TTY|PROCESS|SIGNAL|GETADDRINFO|GETNAMEINFO|QUERY|HTTP|WORKER)/;

interface Resource {
  type: string;
  /** Where in the code it was made. */
  where: string;
  handle: { hasRef?(): boolean; _destroyed?: boolean };
}

/**
 * Notes which timers, sockets, processes and files come up in the work it is given, and what that sets off, and in nothing else
 * of the process: a test runner has timers of its own.
 */
export class OpenResources {
  readonly #own = new AsyncLocalStorage<OpenResources>();
  readonly #made: Resource[] = [];
  readonly #filesBefore = openFiles();
  readonly #hook = createHook({
    init: (_id, type, _trigger, handle) => {
      if (OUTSIDE.test(type) && this.#own.getStore() === this)
        this.#made.push({ type, where: caller(), handle });
    },
  }).enable();

  run<T>(work: () => T): T {
    return this.#own.run(this, work);
  }

  /** Everything that was begun, over or not. */
  begun(): string[] {
    return [...this.#made.map(shown), ...this.#newFiles()];
  }

  /** What keeps the process alive, or holds a file, now. */
  open(): string[] {
    return [...this.#made.filter(isAlive).map(shown), ...this.#newFiles()];
  }

  close(): void {
    this.#hook.disable();
  }

  #newFiles(): string[] {
    return [...openFiles()].filter((file) => !this.#filesBefore.has(file)).map((file) => `file ${file}`);
  }
}

/** A timer that was cleared says that it would keep the process alive, and yet is no more. */
function isAlive({ handle }: Resource): boolean {
  return handle.hasRef?.() === true && handle._destroyed !== true;
}

function shown({ type, where }: Resource): string {
  return where === '' ? type : `${type} (${where})`;
}

/** The first line of the stack that is neither Node's nor of an installed package. */
function caller(): string {
  const lines = new Error().stack?.split('\n').slice(1) ?? [];
  const own = lines.find((line) => !/node:|node_modules/.test(line) && !line.includes(import.meta.dirname));
  return own?.trim() ?? '';
}

/** Paths with their descriptor, where the system tells. */
function openFiles(): Set<string> {
  const files = new Set<string>();
  try {
    for (const descriptor of readdirSync('/proc/self/fd')) {
      const path = target(descriptor);
      if (path.startsWith('/') && !/^\/(dev|proc|sys)\//.test(path)) files.add(path);
    }
  } catch {
    // Another system: what it has open shows by its requests alone.
  }
  return files;
}

/** The descriptor of the listing itself is gone by now. */
function target(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return '';
  }
}
