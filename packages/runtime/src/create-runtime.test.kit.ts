import type { AgentCredential, ConduitMessage } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import { createLogger, type LogRecord } from '@cleocode/kernel';
import { onTestFinished, vi } from 'vitest';
import { createRuntime, type RuntimeConfig, type RuntimeHandle } from './index.ts';

/** A registry of another make: the methods of the earlier one, and no more. */
export class MapRegistry {
  readonly credentials = new Map<string, AgentCredential>();
  readonly calls: string[] = [];

  constructor(...agentIds: string[]) {
    for (const agentId of agentIds) this.credentials.set(agentId, credentialOf(agentId));
  }

  async register(given: Partial<AgentCredential> & { agentId: string }): Promise<AgentCredential> {
    const credential = { ...credentialOf(given.agentId), ...given };
    this.credentials.set(given.agentId, credential);
    return credential;
  }

  async get(agentId: string): Promise<AgentCredential | null> {
    this.calls.push(`get ${agentId}`);
    return this.credentials.get(agentId) ?? null;
  }

  async list(): Promise<AgentCredential[]> {
    return [...this.credentials.values()];
  }

  async update(agentId: string, patch: Partial<AgentCredential>): Promise<AgentCredential> {
    return this.register({ ...this.credentials.get(agentId)!, ...patch, agentId });
  }

  async remove(agentId: string): Promise<void> {
    this.credentials.delete(agentId);
  }

  async rotateKey(agentId: string): Promise<{ agentId: string; newApiKey: string }> {
    this.calls.push(`rotateKey ${agentId}`);
    const newApiKey = `${this.credentials.get(agentId)!.apiKey}+`;
    await this.update(agentId, { apiKey: newApiKey });
    return { agentId, newApiKey };
  }

  async getActive(): Promise<AgentCredential | null> {
    return [...this.credentials.values()].findLast(({ isActive }) => isActive) ?? null;
  }

  async markUsed(agentId: string): Promise<void> {
    this.calls.push(`markUsed ${agentId}`);
  }
}

function credentialOf(agentId: string): AgentCredential {
  const now = new Date().toISOString();
  return {
    agentId,
    displayName: agentId,
    apiKey: `key-of-${agentId}`,
    apiBaseUrl: 'https://api.example.com',
    privacyTier: 'public',
    capabilities: [],
    skills: [],
    transportType: 'http',
    transportConfig: {},
    isActive: true,
    createdAt: now,
    updatedAt: now,
  };
}

/** A transport with the seven members that the earlier runtime knew. It keeps its key from `connect`. */
export class SevenTransport extends MockTransport {
  readonly connects: Record<string, unknown>[] = [];
  onDisconnect = (): void => {};
  readonly #handlers = new Set<(message: ConduitMessage) => void>();

  override async connect(config: Parameters<MockTransport['connect']>[0]): Promise<void> {
    await super.connect(config);
    this.connects.push({ ...config });
  }

  override async disconnect(): Promise<void> {
    this.onDisconnect();
    await super.disconnect();
  }

  subscribe(handler: (message: ConduitMessage) => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  get subscribers(): number {
    return this.#handlers.size;
  }

  /** Pushes a message that polls find too, until it is acked. */
  arrive(message: Partial<ConduitMessage> = {}): ConduitMessage {
    const whole = this.deliver(message);
    this.emit(whole);
    return whole;
  }

  emit(message: ConduitMessage): void {
    for (const handler of this.#handlers) handler(message);
  }
}

export interface Started {
  handle: RuntimeHandle;
  transport: MockTransport;
  registry: MapRegistry;
  /** What was logged, as `level message`. */
  log: string[];
}

/** An agent on mocked parts, stopped when the test ends. */
export async function started(
  config: RuntimeConfig = {},
  registry = new MapRegistry('bob'),
): Promise<Started> {
  const { log, logger } = recorder();
  const { transport = new MockTransport() } = config as { transport?: MockTransport };
  const handle = await createRuntime(registry, { pollIntervalMs: 20, logger, ...config, transport });
  onTestFinished(async () => void (await handle.stop()));
  return { handle, transport, registry, log };
}

export function recorder() {
  const log: string[] = [];
  const records: LogRecord[] = [];
  const logger = createLogger('debug', (record) => {
    records.push(record);
    log.push(`${record.level} ${record.message}`);
  });
  return { log, records, logger };
}

/** Waits for what must come about; a busy machine takes its time. */
export function until<T>(check: () => T): Promise<T> {
  return vi.waitFor(check, { interval: 5 });
}
