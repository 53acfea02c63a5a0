import type { WireConversation } from '@cleocode/contracts';
import type { Backend } from '@cleocode/runtime/transport';
import { isLocal } from './agents.ts';
import type { State } from './state.ts';

const PAGE = 200;

/** Opens a conversation of an agent with others, at its backend. */
export async function createConversation(
  state: State,
  agent: Backend,
  participants: string[],
): Promise<WireConversation> {
  if (isLocal(agent)) return (await state.dock()).createConversation(agent.agentId, { participants });
  const client = await clientOf(agent);
  try {
    return await client.createConversation({ participants });
  } finally {
    await client.close();
  }
}

/** All conversations an agent takes part in, the latest first. */
export async function listConversations(state: State, agent: Backend): Promise<WireConversation[]> {
  if (isLocal(agent)) {
    const dock = await state.dock();
    // An agent that is not there and one without conversations are different answers.
    await dock.getAgent(agent.agentId);
    return everyPage((page) => dock.listConversations(agent.agentId, { page, limit: PAGE }));
  }
  const client = await clientOf(agent);
  try {
    return await everyPage((page) => client.listConversations({ page, limit: PAGE }));
  } finally {
    await client.close();
  }
}

/** A server that knows no pages answers the same again and again: the first page without anything new is the last. */
async function everyPage(ask: (page: number) => Promise<WireConversation[]>): Promise<WireConversation[]> {
  const all = new Map<string, WireConversation>();
  for (let page = 1; ; page += 1) {
    const before = all.size;
    for (const conversation of await ask(page)) all.set(conversation.id, conversation);
    if (all.size < before + PAGE) return [...all.values()];
  }
}

async function clientOf({ agentId, apiBaseUrl, apiKey = '', transportConfig }: Backend) {
  const { SignalDockClient } = await import('@cleocode/transport-http');
  const allowInsecure = transportConfig?.allowInsecure === true;
  return SignalDockClient.connect({ agentId, apiBaseUrl, apiKey }, { allowInsecure });
}
