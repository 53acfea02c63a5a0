import { setTimeout as sleep } from 'node:timers/promises';

/** What is being closed is gone by then, in milliseconds. */
const PATIENCE_MS = 500;
const LOOK_MS = 10;
/** By such a connection this process tells how it stopped. */
const OURS = 'PipeWrap';

let agents = 0;
let before: string[] = [];

/**
 * An agent begins in this process. The function it returns is called once it has ended, and answers what keeps the process alive
 * that was not there before, by the names of Node: `Timeout`, `TCPServerWrap`. Whose it is cannot be told here, and so nothing is
 * while other agents run.
 */
export function agentBegins(): () => Promise<string[]> {
  if (agents === 0) before = process.getActiveResourcesInfo();
  agents += 1;
  return async () => {
    agents -= 1;
    const patience = performance.now() + PATIENCE_MS;
    for (;;) {
      if (agents > 0) return [];
      const left = beyond(before);
      if (left.length === 0 || performance.now() > patience) return left;
      await sleep(LOOK_MS);
    }
  };
}

function beyond(known: readonly string[]): string[] {
  const now = process.getActiveResourcesInfo().filter((one) => one !== OURS);
  for (const one of known) if (now.includes(one)) now.splice(now.indexOf(one), 1);
  return now.sort();
}
