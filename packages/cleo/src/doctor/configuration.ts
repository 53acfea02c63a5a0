import { relative } from 'node:path';
import type { GlobalOptions } from '../cli.ts';
import { type Configuration, loadConfiguration } from '../configuration.ts';
import { readEnvironment, strayVariables, VARIABLES } from '../environment.ts';
import { failureOf } from '../failure.ts';
import { error, type Finding, ok, warning } from './finding.ts';

/** What the environment says, and whether it can be used. */
export function environmentFindings(env: NodeJS.ProcessEnv = process.env): Finding[] {
  const set = Object.keys(VARIABLES).filter((name) => env[name]);
  const stray = strayVariables(env).map((name) =>
    /KEY|TOKEN/.test(name)
      ? warning(
          'environment',
          `${name} is not read, and a key in the environment is seen by every child process`,
          `Unset it. Name a file that holds the key: CLEO_API_KEY_FILE=…`,
        )
      : warning(
          'environment',
          `${name} is none of cleo's variables`,
          `Known are: ${Object.keys(VARIABLES).join(', ')}`,
        ),
  );
  try {
    readEnvironment(env);
  } catch (thrown) {
    const { message, hint = '' } = failureOf(thrown);
    return [error('environment', message, hint), ...stray];
  }
  return [ok('environment', set.length > 0 ? set.join(', ') : 'no variable of cleo is set'), ...stray];
}

/** The configuration, when it can be used. */
export async function configurationFindings(
  globals: GlobalOptions,
): Promise<{ loaded: Configuration | undefined; findings: Finding[] }> {
  try {
    const loaded = await loadConfiguration(globals);
    const found = loaded.file === undefined ? 'no file here: the defaults' : relative('', loaded.file);
    return { loaded, findings: [ok('config', found)] };
  } catch (thrown) {
    const { message, hint = '', code } = failureOf(thrown);
    return { loaded: undefined, findings: [error('config', `${code}: ${message}`, hint)] };
  }
}
