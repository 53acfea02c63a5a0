import type { Agent } from '@cleocode/contracts';
import type { Delivery } from '@cleocode/kernel';

/** Variables that hold what only the agent's own process may know. Other services' keys are the command's business. */
const SECRET_NAME = /^(CLEO|SIGNALDOCK)_.*(KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL)/i;

/**
 * The environment of a command: what the process has and `extra` adds, without the agent's key under whatever name, plus
 * what it should know of the message.
 */
export function childEnvironment(
  { message, attempt, hops = 0 }: Pick<Delivery, 'message' | 'attempt' | 'hops'>,
  agent: Agent,
  extra: Record<string, string> = {},
  inherited: NodeJS.ProcessEnv = process.env,
): NodeJS.ProcessEnv {
  const key = agent.credential().apiKey.reveal();
  const holdsKey = (value: string) => key !== '' && value.includes(key);
  const allowed = Object.entries({ ...inherited, ...extra }).filter(
    ([name, value]) => value !== undefined && !SECRET_NAME.test(name) && !holdsKey(value),
  );
  return {
    ...Object.fromEntries(allowed),
    CLEO_AGENT_ID: agent.id,
    CLEO_MESSAGE_ID: message.id,
    CLEO_FROM: message.from,
    // Set even when there is none, so that a command never sees another message's.
    CLEO_THREAD_ID: message.threadId ?? '',
    CLEO_ATTEMPT: String(attempt),
    // So that what the command sends by itself counts on.
    CLEO_HOPS: String(hops),
  };
}
