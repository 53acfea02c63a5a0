/** Through a package manager, one Ctrl-C may arrive twice: from the terminal, and passed on by the parent. */
const SAME_PRESS_MS = 250;

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Runs `stop` at the first signal that asks this process to end, and `force` at the next. Returns the function that unbinds. */
export function onStopSignal(
  stop: (signal: NodeJS.Signals) => void,
  force: () => void,
  env: NodeJS.ProcessEnv = process.env,
): () => void {
  const sameWithinMs = env.npm_lifecycle_event === undefined ? 0 : SAME_PRESS_MS;
  let first: number | undefined;
  const listener = (signal: NodeJS.Signals): void => {
    if (first === undefined) {
      first = performance.now();
      stop(signal);
    } else if (performance.now() - first > sameWithinMs) force();
  };
  for (const signal of SIGNALS) process.on(signal, listener);
  return () => {
    for (const signal of SIGNALS) process.off(signal, listener);
  };
}
