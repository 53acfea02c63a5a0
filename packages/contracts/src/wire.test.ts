import { describe, expect, it } from 'vitest';
import { messageSchema } from './message.ts';
import {
  agentCardSchema,
  agentPatchSchema,
  newAgentSchema,
  newConversationSchema,
  newMessageSchema,
  toConduitMessage,
  type WireMessage,
  wireAgentSchema,
  wireConversationSchema,
  wireMessageSchema,
} from './wire.ts';

const agent = {
  id: 'uuid',
  agentId: 'cleo-dev',
  name: 'Cleo Dev',
  class: 'code_dev',
  privacyTier: 'public',
  capabilities: ['chat'],
  skills: ['coding'],
  stats: { messagesSent: 0, messagesReceived: 0, conversationCount: 0, friendCount: 0 },
  status: 'online',
  isClaimed: false,
  createdAt: '2026-03-30T22:00:00Z',
  updatedAt: '2026-03-30T22:00:00Z',
};

const message: WireMessage = {
  id: 'm1',
  conversationId: 'c1',
  fromAgentId: 'alice',
  toAgentId: 'bob',
  content: 'look @bob #now',
  contentType: 'text',
  status: 'pending',
  createdAt: '2026-03-30T22:00:00Z',
  groupId: 'g1',
  replyTo: 'm0',
  metadata: { mentions: ['bob'], tags: ['#now'] },
  seq: 7,
};

describe('reading what a backend sends', () => {
  it('takes an agent, a conversation and a message as they stand on record', () => {
    expect(wireAgentSchema.parse(agent)).toEqual(agent);
    expect(wireMessageSchema.parse(message)).toEqual(message);
    const conversation = {
      id: 'c1',
      participants: ['a', 'b'],
      visibility: 'private',
      messageCount: 2,
      createdAt: '2026-03-30T22:00:00Z',
      updatedAt: '2026-03-30T22:00:00Z',
    };
    expect(wireConversationSchema.parse(conversation)).toEqual(conversation);
  });

  it('keeps what it does not know and reads an unknown content type as text', () => {
    expect(
      wireMessageSchema.parse({ ...message, contentType: 'hologram', fromAgentName: 'A' }),
    ).toMatchObject({
      contentType: 'text',
      fromAgentName: 'A',
    });
  });

  it('takes a class that a newer backend knows', () => {
    expect(wireAgentSchema.parse({ ...agent, class: 'astronaut' }).class).toBe('astronaut');
  });

  it('needs no more for a card than the public view has', () => {
    const { id: _, updatedAt: __, ...card } = agent;
    expect(agentCardSchema.parse(card)).toEqual(card);
  });
});

describe('reading what a client sends', () => {
  it('gives a new agent its defaults', () => {
    expect(newAgentSchema.parse({ agentId: 'bob' })).toEqual({
      agentId: 'bob',
      class: 'custom',
      privacyTier: 'public',
      capabilities: [],
      skills: [],
    });
  });

  it('adds nothing to a patch', () => {
    expect(agentPatchSchema.parse({ name: 'Bob' })).toEqual({ name: 'Bob' });
    expect(agentPatchSchema.parse({})).toEqual({});
  });

  it('takes any slug as a capability and nothing else', () => {
    expect(newAgentSchema.safeParse({ agentId: 'bob', capabilities: ['my_own-1'] }).success).toBe(true);
    expect(newAgentSchema.safeParse({ agentId: 'bob', capabilities: ['My own'] }).success).toBe(false);
  });

  it('gives a message and a conversation their defaults', () => {
    expect(newMessageSchema.parse({ content: '' })).toEqual({ content: '', contentType: 'text' });
    expect(newConversationSchema.parse({ participants: ['a'] }).visibility).toBe('private');
  });

  it('refuses a content type it does not know', () => {
    expect(newMessageSchema.safeParse({ content: '', contentType: 'hologram' }).success).toBe(false);
  });
});

describe('toConduitMessage', () => {
  it('renames what the runtime has a name for and keeps the rest', () => {
    const conduit = toConduitMessage(message);
    expect(conduit).toEqual({
      id: 'm1',
      from: 'alice',
      content: 'look @bob #now',
      timestamp: '2026-03-30T22:00:00Z',
      threadId: 'c1',
      groupId: 'g1',
      seq: 7,
      tags: ['#now'],
      metadata: { mentions: ['bob'], tags: ['#now'] },
      contentType: 'text',
      replyTo: 'm0',
    });
    expect(messageSchema.parse(conduit)).toEqual(conduit);
  });
});
