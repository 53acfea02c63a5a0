import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { type AgentCredential, CleoError } from '@cleocode/contracts';
import { readCredentialFile } from '@cleocode/store';
import { selfCommand } from '../self-command.ts';
import { shellWord } from '../shell-word.ts';
import { type Finding, ok, warning } from './finding.ts';
import { list } from './state-folder.ts';

/** Plain-text credential files of the earlier runtime that still lie here. */
export function oldCredentials(stateDir: string, registered: readonly AgentCredential[]): Finding[] {
  const files = [...new Set([stateDir, resolve('.cleo')])].flatMap((folder) =>
    list(folder)
      .filter((name) => /^signaldock-.+\.json$/.test(name))
      .map((name) => join(folder, name)),
  );
  const own = join(homedir(), '.signaldock', 'config.json');
  if (existsSync(own)) files.push(own);
  if (files.length === 0) return [ok('old-credentials', 'no keys in plain text of an earlier runtime')];
  return files.map((file) => finding(file, registered));
}

function finding(file: string, registered: readonly AgentCredential[]): Finding {
  const self = selfCommand();
  try {
    const { agentId } = readCredentialFile(file);
    const message = `${file} holds the key of ${agentId} in plain text`;
    return registered.some((one) => one.agentId === agentId)
      ? warning(
          'old-credentials',
          `${message}; it is registered here`,
          `${self} agent rotate-key ${agentId} && rm ${shellWord(file)}`,
        )
      : warning('old-credentials', message, `${self} agent register --import ${shellWord(file)}`);
  } catch (thrown) {
    if (!CleoError.is(thrown)) throw thrown;
    return warning(
      'old-credentials',
      thrown.message,
      'If a key is in it, replace that at its backend and delete the file.',
    );
  }
}
