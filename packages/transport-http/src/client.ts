import {
  type AgentCard,
  agentCardSchema,
  type NewAgent,
  type NewConversation,
  type RequestOptions,
  type WireAgent,
  type WireConversation,
  wireAgentSchema,
  wireConversationSchema,
} from '@cleocode/contracts';
import { z } from 'zod';
import { type Api, DONE } from './api.ts';
import { type HttpConnectConfig, type HttpOptions, identityOf, openApi } from './open-api.ts';
import { agentPath, queryOf } from './paths.ts';

/** What the record requires and our own server does not. */
const REQUIRED = { class: 'custom', privacyTier: 'public', capabilities: [], skills: [] };

const keySchema = z.string().min(1);
/** On record the key stands beside the agent, or inside it. */
const registeredSchema = z
  .object({ agent: wireAgentSchema.extend({ apiKey: keySchema.optional() }), apiKey: keySchema.optional() })
  .transform(({ agent: { apiKey: inside, ...agent }, apiKey = inside }) => ({ agent, apiKey }))
  .pipe(z.object({ agent: z.custom<WireAgent>(), apiKey: keySchema }));
const agentSchema = z.object({ agent: agentCardSchema });
const conversationsSchema = z.object({ conversations: z.array(wireConversationSchema) });
const conversationSchema = z.object({ conversation: wireConversationSchema });

/**
 * Registers an agent and answers its key, this once: the backend keeps only a hash. Not repeated when it stays open whether
 * it was done; `E_CONFLICT_ALREADY_EXISTS` tells afterwards.
 */
export async function registerAgent(
  apiBaseUrl: string,
  agent: NewAgent,
  { signal, ...options }: HttpOptions & RequestOptions = {},
): Promise<{ agent: WireAgent; apiKey: string }> {
  const api = await openApi(apiBaseUrl, undefined, options);
  try {
    return await api.run('registerAgent', signal, async (call) => {
      const request = {
        method: 'POST',
        path: '/agents',
        body: { ...REQUIRED, name: agent.agentId, ...agent },
      } as const;
      return (await api.ask(request, registeredSchema, call)).data;
    });
  } finally {
    await api.close();
  }
}

/** What an agent asks of its backend beside what a transport does. Transports and clients share their connections. */
export class SignalDockClient {
  readonly #api: Api;

  /** Makes no request. Rejects with `E_TRANSPORT_ADDRESS` and `E_TRANSPORT_INSECURE`. */
  static async connect(config: HttpConnectConfig, options: HttpOptions = {}): Promise<SignalDockClient> {
    return new SignalDockClient(await openApi(config.apiBaseUrl, identityOf(config), options));
  }

  private constructor(api: Api) {
    this.#api = api;
  }

  /** An agent: to itself its full record, else its card. */
  getAgent(agentId: string, { signal }: RequestOptions = {}): Promise<AgentCard> {
    return this.#api.run('getAgent', signal, async (call) => {
      const request = { method: 'GET', path: agentPath(agentId), use: 'read' } as const;
      return (await this.#api.ask(request, agentSchema, call)).data.agent;
    });
  }

  /** Removes the agent, which may only be itself: its keys, its place in conversations, and what it has not read. */
  async removeAgent(agentId: string, { signal }: RequestOptions = {}): Promise<void> {
    await this.#api.run('removeAgent', signal, (call) =>
      this.#api.ask({ method: 'DELETE', path: agentPath(agentId) }, DONE, call),
    );
  }

  /** Opens a conversation of this agent and others. A private one of two that exists is answered again. */
  createConversation(
    conversation: NewConversation,
    { signal }: RequestOptions = {},
  ): Promise<WireConversation> {
    return this.#api.run('createConversation', signal, async (call) => {
      const request = { method: 'POST', path: '/conversations', body: conversation } as const;
      return (await this.#api.ask(request, conversationSchema, call)).data.conversation;
    });
  }

  /** Those this agent takes part in, latest message first; 50 a page unless told otherwise, at most 200. */
  listConversations({
    page,
    limit,
    signal,
  }: RequestOptions & { page?: number; limit?: number } = {}): Promise<WireConversation[]> {
    return this.#api.run('listConversations', signal, async (call) => {
      const path = `/conversations${queryOf({ page, limit })}`;
      const request = { method: 'GET', path, use: 'read' } as const;
      return (await this.#api.ask(request, conversationsSchema, call)).data.conversations;
    });
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    await this.#api.close();
  }
}
