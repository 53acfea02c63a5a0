import { readFileSync, statSync } from 'node:fs';
import {
  type AgentCredential,
  type AgentRegistryAPI,
  agentIdSchema,
  CleoError,
  type NewAgentCredential,
  parseApiBase,
} from '@cleocode/contracts';
import { z } from 'zod';

/** Where agents of the replaced system are, unless their file says. */
const DEFAULT_API_BASE = 'https://api.signaldock.io';
const MAX_BYTES = 1024 * 1024;

const text = z.string().trim().min(1);
const common = { apiKey: text.regex(/^[\x21-\x7e]+$/), apiBaseUrl: text.default(DEFAULT_API_BASE) };

/** `<project>/.cleo/signaldock-<id>.json` */
const projectFile = z.object({
  ...common,
  agentId: agentIdSchema,
  name: text.optional(),
  sseEndpoint: text.optional(),
  createdAt: text.optional(),
});

/** `~/.signaldock/config.json` */
const userFile = z
  .object({ agent_id: agentIdSchema, api_key: common.apiKey, api_base: common.apiBaseUrl })
  .transform((file) => ({ agentId: file.agent_id, apiKey: file.api_key, apiBaseUrl: file.api_base }));

/** What importing may replace. */
export interface ImportOptions {
  /** Replaces the key of an agent that is registered with another one. Default `false`. */
  replace?: boolean;
}

/**
 * Reads a plain-text credential file of the replaced system: `.cleo/signaldock-<id>.json` of a project, or
 * `~/.signaldock/config.json`. The age of the key counts from the file's `createdAt`. Throws `E_IMPORT_FILE`, which never
 * shows what is in the file; `E_TRANSPORT_ADDRESS` and `E_TRANSPORT_INSECURE` for its address.
 */
export function readCredentialFile(file: string): NewAgentCredential {
  const json = parsed(file);
  const isUserFile = typeof json === 'object' && json !== null && 'api_key' in json;
  const result = (isUserFile ? userFile : projectFile).safeParse(json);
  if (!result.success) {
    const faults = result.error.issues.map(
      ({ path, message }) => `${path.join('.') || 'the file'}: ${message}`,
    );
    throw unusable(file, faults.join('; '));
  }
  const { agentId, apiKey, apiBaseUrl, ...more }: z.output<typeof projectFile> = result.data;
  // Whether plain http may be used is decided where it is used.
  parseApiBase(apiBaseUrl, { allowInsecure: true });
  return {
    agentId,
    apiKey,
    apiBaseUrl,
    ...(more.name !== undefined && { displayName: more.name }),
    ...(more.sseEndpoint !== undefined && { transportConfig: { sseEndpoint: more.sseEndpoint } }),
    ...issued(more.createdAt),
  };
}

/**
 * Registers the agent of a plain-text credential file, its key encrypted. The file stays as it is: whoever imports tells
 * people to delete it. Rejects with `E_IMPORT_FILE`, and with `E_CONFLICT_ALREADY_EXISTS` when the agent is registered
 * with another key already, unless told to replace that.
 */
export async function importCredentials(
  registry: AgentRegistryAPI,
  file: string,
  { replace = false }: ImportOptions = {},
): Promise<AgentCredential> {
  const credential = readCredentialFile(file);
  const { agentId, apiKey } = credential;
  const known = replace ? null : await registry.get(agentId);
  if (known && known.apiKey !== apiKey)
    throw new CleoError(
      'E_CONFLICT_ALREADY_EXISTS',
      `agent "${agentId}" is registered already, with another key`,
      {
        hint: 'To give that key up, import with replace, or remove the agent first.',
        details: { agentId, file },
      },
    );
  // The key may have been stored here before, and everything else said better.
  return known ?? registry.register(credential);
}

function parsed(file: string): unknown {
  let content: string;
  try {
    if (statSync(file).size > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES} bytes`);
    content = readFileSync(file, 'utf8');
  } catch (error) {
    throw unusable(file, (error as Error).message, error);
  }
  try {
    return JSON.parse(content.replace(/^\uFEFF/, ''));
  } catch {
    // The parser's own words quote the file, and with it the key.
    throw unusable(file, 'it is not JSON');
  }
}

function issued(createdAt: string | undefined): Pick<NewAgentCredential, 'createdAt' | 'keyIssuedAt'> {
  const at = Date.parse(createdAt ?? '');
  if (Number.isNaN(at) || at > Date.now()) return {};
  const time = new Date(at).toISOString();
  return { createdAt: time, keyIssuedAt: time };
}

function unusable(file: string, why: string, cause?: unknown): CleoError {
  return new CleoError('E_IMPORT_FILE', `${file}: no credential can be read from it: ${why}`, {
    hint: 'Give a .cleo/signaldock-<id>.json of a project, or ~/.signaldock/config.json.',
    details: { file },
    ...(cause !== undefined && { cause }),
  });
}
