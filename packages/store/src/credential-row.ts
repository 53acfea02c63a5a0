import { type AgentCredential, agentCredentialSchema, CleoError } from '@cleocode/contracts';
import { seal, unseal } from './seal.ts';

/** A row of the table `credentials`, without what only orders rows. */
export interface CredentialRow {
  agent_id: string;
  display_name: string;
  api_key: Uint8Array;
  api_base_url: string;
  classification: string | null;
  privacy_tier: string;
  capabilities: string;
  skills: string;
  transport_type: string;
  transport_config: Uint8Array;
  is_active: number;
  last_used_at: string | null;
  key_issued_at: string | null;
  created_at: string;
  updated_at: string;
}

export function toRow(credential: AgentCredential, machineKey: Buffer): CredentialRow {
  const { agentId } = credential;
  return {
    agent_id: agentId,
    display_name: credential.displayName,
    api_key: seal(machineKey, { agentId, field: 'apiKey' }, credential.apiKey),
    api_base_url: credential.apiBaseUrl,
    classification: credential.classification ?? null,
    privacy_tier: credential.privacyTier,
    capabilities: JSON.stringify(credential.capabilities),
    skills: JSON.stringify(credential.skills),
    transport_type: credential.transportType,
    transport_config: seal(
      machineKey,
      { agentId, field: 'transportConfig' },
      JSON.stringify(credential.transportConfig),
    ),
    is_active: credential.isActive ? 1 : 0,
    last_used_at: credential.lastUsedAt ?? null,
    key_issued_at: credential.keyIssuedAt ?? null,
    created_at: credential.createdAt,
    updated_at: credential.updatedAt,
  };
}

/** Throws `E_CREDENTIAL_UNREADABLE` when the row was written with another machine key or was tampered with. */
export function fromRow(row: CredentialRow, machineKey: Buffer): AgentCredential {
  const agentId = row.agent_id;
  try {
    return agentCredentialSchema.parse({
      agentId,
      displayName: row.display_name,
      apiKey: unseal(machineKey, { agentId, field: 'apiKey' }, row.api_key),
      apiBaseUrl: row.api_base_url,
      ...(row.classification !== null && { classification: row.classification }),
      privacyTier: row.privacy_tier,
      capabilities: JSON.parse(row.capabilities),
      skills: JSON.parse(row.skills),
      transportType: row.transport_type,
      transportConfig: JSON.parse(
        unseal(machineKey, { agentId, field: 'transportConfig' }, row.transport_config),
      ),
      isActive: row.is_active === 1,
      ...(row.last_used_at !== null && { lastUsedAt: row.last_used_at }),
      ...(row.key_issued_at !== null && { keyIssuedAt: row.key_issued_at }),
      createdAt: row.created_at,
      updatedAt: row.updated_at,
    });
  } catch (error) {
    throw new CleoError(
      'E_CREDENTIAL_UNREADABLE',
      `the credential of "${agentId}" cannot be read: it was stored with another machine key, or was changed`,
      {
        hint: `Restore the machine key it was stored with, or remove the agent (cleo agent remove ${agentId}) and register it again.`,
        details: { agentId },
        cause: error,
      },
    );
  }
}

/** A whole credential from what a caller gave; throws `E_CREDENTIAL_INVALID` with the members that do not fit. */
export function checkedCredential(candidate: unknown): AgentCredential {
  const result = agentCredentialSchema.safeParse(candidate);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new CleoError('E_CREDENTIAL_INVALID', `the credential does not fit: ${faults.join('; ')}`, {
    hint: 'Correct the members named here.',
    cause: result.error,
  });
}
