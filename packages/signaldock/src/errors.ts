import { WireError } from '@cleocode/contracts';

export function agentNotFound(agentId: string): WireError {
  return new WireError('E_NOT_FOUND_AGENT', `Agent not found: ${agentId}`, {
    hint: `Register it first: cleo agent register ${agentId}`,
    details: { agentId },
  });
}

export function conversationNotFound(conversationId: string): WireError {
  return new WireError('E_NOT_FOUND_CONVERSATION', `Conversation not found: ${conversationId}`, {
    details: { conversationId },
  });
}

export function notParticipant(agentId: string, conversationId: string): WireError {
  return new WireError(
    'E_AUTH_FORBIDDEN',
    `Insufficient permissions: ${agentId} is not in conversation ${conversationId}`,
    { hint: 'Ask a participant to add it.', details: { agentId, conversationId } },
  );
}

export function constraint(message: string, hint?: string): WireError {
  return new WireError('E_VALIDATION_CONSTRAINT', message, { ...(hint && { hint }) });
}
