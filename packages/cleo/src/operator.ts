import { userInfo } from 'node:os';
import { agentIdSchema, CleoError, type WireAgent } from '@cleocode/contracts';
import type { Dock } from '@cleocode/signaldock';
import { OPERATOR } from './agents.ts';
import type { State } from './state.ts';

/**
 * The person who uses the command, as an agent of the embedded backend: named after the user of the machine, registered
 * there when first needed, and without a stored credential, so that it is never started as a resident agent.
 */
export async function operator(state: State): Promise<string> {
  const dock = await state.dock();
  for (const agentId of candidates()) {
    const known = await find(dock, agentId);
    if (isOperator(known)) return agentId;
    if (!known && (await register(dock, agentId))) return agentId;
  }
  throw new CleoError(
    'E_CONFLICT_ALREADY_EXISTS',
    `agents have all the names you would send under: ${candidates().join(', ')}`,
    {
      hint: 'Send as a registered agent: --agent ID',
    },
  );
}

/** The same, when it has been registered; registers nothing. */
export async function knownOperator(state: State): Promise<string | undefined> {
  const dock = await state.dock();
  for (const agentId of candidates()) if (isOperator(await find(dock, agentId))) return agentId;
  return undefined;
}

/** Whether the name could be had; a process that was faster had it for the same person. */
async function register(dock: Dock, agentId: string): Promise<boolean> {
  try {
    await dock.registerAgent({ agentId, capabilities: [OPERATOR], class: 'personal_assistant' });
    return true;
  } catch (error) {
    // An agent whose id differs in case alone has it, or another process has just registered it.
    if (!CleoError.is(error, 'E_CONFLICT_ALREADY_EXISTS')) throw error;
    return isOperator(await find(dock, agentId));
  }
}

async function find(dock: Dock, agentId: string): Promise<WireAgent | undefined> {
  try {
    return await dock.getAgent(agentId);
  } catch (error) {
    if (!CleoError.is(error, 'E_NOT_FOUND_AGENT')) throw error;
    return undefined;
  }
}

function isOperator(agent: WireAgent | undefined): boolean {
  return agent?.capabilities.includes(OPERATOR) ?? false;
}

/** The user's name; with a suffix where an agent has it. */
function candidates(): string[] {
  const name = userName();
  return [name, `${name}-operator`, `${name}-terminal`];
}

/** A user name may hold what an agent id may not. */
function userName(): string {
  const plain = systemUser()
    .replaceAll(/[^A-Za-z0-9._+-]+/g, '-')
    .replaceAll(/\.{2,}/g, '.')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 40);
  return agentIdSchema.safeParse(plain).success && plain.toLowerCase() !== 'all' ? plain : 'operator';
}

function systemUser(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a user that has no name.
    return process.env.USER ?? '';
  }
}
