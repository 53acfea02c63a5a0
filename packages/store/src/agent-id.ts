import { agentIdSchema, CleoError } from '@cleocode/contracts';

/** The id when it is one. It becomes part of file names, so nothing else gets past here. */
export function checkedAgentId(agentId: unknown): string {
  const result = agentIdSchema.safeParse(agentId);
  if (result.success) return result.data;
  throw new CleoError('E_AGENT_ID_INVALID', `${JSON.stringify(agentId)} is not an agent id`, {
    hint: `${result.error.issues[0]?.message ?? 'Give a valid id'}.`,
  });
}

export function agentNotFound(agentId: string): CleoError {
  return new CleoError('E_NOT_FOUND_AGENT', `no credential is stored for agent "${agentId}"`, {
    hint: 'List what is registered: cleo agent list',
    details: { agentId },
  });
}
