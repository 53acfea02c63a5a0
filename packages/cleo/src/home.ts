import { homedir } from 'node:os';

/**
 * A container may run under a number that has no name, and without `HOME`: whoever asks for the home folder would throw then. It is
 * `/`, as engines for containers set it.
 */
export function provideHome(env: NodeJS.ProcessEnv = process.env, ask: () => string = homedir): void {
  try {
    ask();
  } catch {
    env.HOME = '/';
  }
}
