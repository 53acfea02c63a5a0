import {
  type ConduitMessage,
  type Inbox,
  type InboxEvent,
  type InboxStats,
  type IntakeSource,
  messageKey,
  type ReceiveResult,
} from '@cleocode/contracts';

/** An inbox that takes what the test allows, keeps it in flight until {@link finish}, and records every page. */
export class FakeInbox implements Inbox {
  capacity = 1_000;
  /** Conversations that take nothing. */
  readonly stuck = new Set<string>();
  readonly taken: ConduitMessage[] = [];
  readonly inFlight = new Map<string, ConduitMessage>();
  readonly pages: { messages: readonly ConduitMessage[]; source: IntakeSource }[] = [];
  readonly #listeners = new Set<(event: InboxEvent) => void>();
  readonly #waiters = new Set<() => void>();

  get room(): number {
    return Math.max(0, this.capacity - this.inFlight.size);
  }

  receive(messages: readonly ConduitMessage[], source: IntakeSource): ReceiveResult {
    this.pages.push({ messages, source });
    const result: ReceiveResult = { accepted: 0, duplicates: 0, deferred: [] };
    for (const message of messages) {
      if (this.inFlight.has(messageKey(message))) result.duplicates += 1;
      else if (this.room === 0 || this.stuck.has(message.threadId ?? '')) result.deferred.push(message);
      else {
        this.inFlight.set(messageKey(message), message);
        this.taken.push(message);
        result.accepted += 1;
      }
    }
    return result;
  }

  async waitForRoom(signal: AbortSignal): Promise<void> {
    if (this.room > 0) return;
    await new Promise<void>((resolve, reject) => {
      this.#waiters.add(resolve);
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  }

  stats(): InboxStats {
    const none = { queued: 0, done: 0, failed: 0, dead: 0, dropped: 0, unacked: 0, problems: [] };
    return { inFlight: this.inFlight.size, ...none };
  }

  observe(listener: (event: InboxEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit(event: InboxEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  finish(message: ConduitMessage): void {
    this.inFlight.delete(messageKey(message));
    this.emit({ type: 'done', message, attempt: 1, durationMs: 0 });
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }

  get contents(): string[] {
    return this.taken.map(({ content }) => content);
  }
}
