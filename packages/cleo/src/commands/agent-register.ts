import { CleoError } from '@cleocode/contracts';
import { checkAgentId, isLocal, registerLocally } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { backendName, credentialView } from '../credential-view.ts';
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
}

/** Registers an agent: on the embedded backend, or with a key it has at another one. */
export async function run(
  { output }: Cli,
  word: string | undefined,
  options: RegisterOptions,
): Promise<void> {
  const agentId = checkAgentId(idOf(word, options.id));
  const { name, apiUrl } = options;
  if (apiUrl !== undefined) checkUrl(apiUrl);
  const withKey = options.apiKey !== undefined || options.apiKeyStdin === true;
  if (withKey && apiUrl === undefined)
    throw new UsageError(
      'a key was given, but not the backend it belongs to',
      'Add --api-url; or leave the key out to register on the embedded backend.',
    );
  if (apiUrl !== undefined && !withKey)
    throw new CleoError(
      'E_TRANSPORT_UNAVAILABLE',
      `registering at ${apiUrl} needs the HTTP transport, which is not there yet`,
      {
        hint: `Register there first, then store its key: cleo agent register ${agentId} --api-url ${apiUrl} --api-key-stdin`,
      },
    );
  const apiKey = withKey ? await keyFrom(options, output.note.bind(output)) : undefined;
  await withState(async (state) => {
    const credential =
      apiKey === undefined
        ? await registerLocally(state, agentId, name)
        : await storeKey(state, { agentId, apiKey, apiBaseUrl: apiUrl!, ...(name && { displayName: name }) });
    const { apiBaseUrl, apiKey: masked } = credentialView(credential);
    output.result(
      { ok: true, agentId, apiBaseUrl, apiKey: masked, stateDir: state.dir },
      [
        `${agentId} is registered (${backendName(credential)}, state in ${state.dir}).`,
        // No transport serves another backend yet.
        ...(isLocal(credential) ? [`  Run it: ${selfCommand()} agent start ${agentId}`] : []),
      ].join('\n'),
    );
  });
}

function idOf(word: string | undefined, option: string | undefined): string {
  if (word !== undefined && option !== undefined && word !== option)
    throw new UsageError(
      `two ids were given: "${word}" and "${option}"`,
      'Give one, as an argument or with --id.',
    );
  const id = word ?? option;
  if (id === undefined)
    throw new UsageError('the id of the agent is missing', 'Give one: cleo agent register my-agent');
  return id;
}

function checkUrl(text: string): void {
  const url = URL.parse(text);
  const hint = 'Give the address of the backend: --api-url https://api.example.com';
  if (!url || !/^https?:$/.test(url.protocol))
    throw new UsageError(`--api-url: "${text}" is no http(s) address`, hint);
  if (url.username || url.password) throw new UsageError('--api-url holds a user name or password', hint);
  // A key must not cross a network in the clear.
  if (url.protocol === 'http:' && !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname))
    throw new UsageError(`--api-url: http is for this machine only, not for ${url.hostname}`, 'Use https.');
}

async function keyFrom(
  { apiKey, apiKeyStdin }: RegisterOptions,
  note: (text: string) => void,
): Promise<string> {
  if (apiKey !== undefined)
    note(
      'warning: a key on the command line can be seen by other users of this machine; --api-key-stdin hides it',
    );
  const key = apiKeyStdin ? await readLine('the key') : apiKey!;
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new UsageError(
    'the key is empty, or holds spaces or unprintable characters',
    'Give the key alone, as the backend showed it.',
  );
}

async function storeKey(state: State, credential: { agentId: string; apiKey: string; apiBaseUrl: string }) {
  return (await state.store()).registry.register(credential);
}
