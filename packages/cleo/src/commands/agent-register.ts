import { checkedAddress, isExposed } from '../address.ts';
import { agentOrLatest, checkAgentId, registerLocally } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { backendName, credentialView } from '../credential-view.ts';
import { readEnvironment, readKeyFile } from '../environment.ts';
import { during } from '../progress.ts';
import { moveToRemote, storeRemote } from '../remote-agent.ts';
import { selfCommand } from '../self-command.ts';
import { type State, withState } from '../state.ts';
import { readLine } from '../stdin.ts';
import { UsageError } from '../usage-error.ts';

export interface RegisterOptions {
  id?: string;
  name?: string;
  apiUrl?: string;
  apiKey?: string;
  apiKeyStdin?: boolean;
  keepKey?: boolean;
  insecure?: boolean;
  import?: string;
  /** From the environment. */
  apiKeyFile?: string;
}

/** Registers an agent: on the embedded backend, at another one, or with a key it has there. */
export async function run({ output }: Cli, word: string | undefined, flags: RegisterOptions): Promise<void> {
  if (flags.import !== undefined) {
    const { importAgent } = await import('../import-agent.ts');
    return importAgent(output, word, flags.import, flags.insecure ?? false);
  }
  const { agentId, options } = withEnvironment(idOf(word, flags.id), flags);
  const note = output.note.bind(output);
  const apiBaseUrl = addressOf(options, note);
  const apiKey = await keyFrom(options, note);
  await withState(async (state) => {
    const credential = await during(output, `registering ${agentId} at ${apiBaseUrl ?? state.dir}`, () =>
      register(state, { agentId, apiBaseUrl, apiKey, options, note }),
    );
    const { apiKey: masked } = credentialView(credential);
    output.result(
      { ok: true, agentId, apiBaseUrl: credential.apiBaseUrl, apiKey: masked, stateDir: state.dir },
      `${agentId} is registered (${backendName(credential)}, state in ${state.dir}).\n  Run it: ${selfCommand()} agent start ${agentId}`,
    );
  });
}

/** The environment says where an agent is and where its key lies; of one agent only, if it names one. */
function withEnvironment(
  id: string | undefined,
  flags: RegisterOptions,
): { agentId: string; options: RegisterOptions } {
  const { agent, apiUrl, apiKeyFile } = readEnvironment();
  const wanted = id ?? agent;
  if (wanted === undefined)
    throw new UsageError('the id of the agent is missing', 'Give one: cleo agent register my-agent');
  const agentId = checkAgentId(wanted);
  if (agent !== undefined && agent !== agentId) return { agentId, options: flags };
  const remote = flags.apiUrl ?? (apiUrl === 'local:' ? undefined : apiUrl);
  const givenKey = flags.apiKey !== undefined || flags.apiKeyStdin || flags.keepKey;
  return {
    agentId,
    options: {
      ...flags,
      ...(remote !== undefined && { apiUrl: remote }),
      ...(apiKeyFile !== undefined && !givenKey && { apiKeyFile }),
    },
  };
}

interface Registration {
  agentId: string;
  /** Of another backend than the embedded one. */
  apiBaseUrl: string | undefined;
  /** Which it has there already. */
  apiKey: string | undefined;
  options: RegisterOptions;
  note(text: string): void;
}

async function register(state: State, { agentId, apiBaseUrl, apiKey, options, note }: Registration) {
  const { name, insecure: allowInsecure = false } = options;
  if (apiBaseUrl === undefined) return registerLocally(state, agentId, name);
  const agent = { agentId, apiBaseUrl, name, http: { allowInsecure } };
  if (options.keepKey) {
    // Before a folder is made for an agent that is not there.
    await agentOrLatest(state, agentId);
    return moveToRemote(state, agent);
  }
  if (apiKey !== undefined) return storeRemote(state, agent, apiKey);
  const { registerRemotely } = await import('../register-remotely.ts');
  return registerRemotely(state, agent, note);
}

/** Undefined for the embedded backend. */
function addressOf(options: RegisterOptions, note: (text: string) => void): string | undefined {
  const { apiUrl, keepKey, insecure } = options;
  if (apiUrl === undefined) {
    const alone = keepKey ? '--keep-key' : insecure ? '--insecure' : undefined;
    if (alone) throw new UsageError(`${alone} needs --api-url`, 'Add it: --api-url https://api.example.com');
    return undefined;
  }
  const address = checkedAddress(apiUrl, insecure);
  if (isExposed(new URL(address)))
    note(`warning: --insecure: who can listen on the way to ${address} can read the key and every message`);
  return address;
}

function idOf(word: string | undefined, option: string | undefined): string | undefined {
  if (word !== undefined && option !== undefined && word !== option)
    throw new UsageError(
      `two ids were given: "${word}" and "${option}"`,
      'Give one, as an argument or with --id.',
    );
  return word ?? option;
}

async function keyFrom(
  { apiKey, apiKeyStdin, apiKeyFile, apiUrl }: RegisterOptions,
  note: (text: string) => void,
): Promise<string | undefined> {
  if (apiKey === undefined && !apiKeyStdin && apiKeyFile === undefined) return undefined;
  if (apiUrl === undefined)
    throw new UsageError(
      'a key was given, but not the backend it belongs to',
      'Add --api-url; or leave the key out to register on the embedded backend.',
    );
  if (apiKey !== undefined)
    note(
      'warning: a key on the command line can be seen by other users of this machine; --api-key-stdin hides it',
    );
  if (apiKeyFile !== undefined) return readKeyFile(apiKeyFile);
  const key = apiKeyStdin ? await readLine('the key') : apiKey!;
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new UsageError(
    'the key is empty, or holds spaces or unprintable characters',
    'Give the key alone, as the backend showed it.',
  );
}
