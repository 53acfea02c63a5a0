import { randomUUID } from 'node:crypto';
import { CleoError } from '../errors.ts';
import type { ConduitMessage } from '../message.ts';
import type { PollOptions, PushOptions, Transport, TransportConnectConfig } from '../transport.ts';

/**
 * A transport in memory with the members every transport must have and no capability beyond them. It records what was
 * asked of it, and {@link failNext} makes one call fail.
 */
export class MockTransport implements Transport {
  readonly name = 'mock';
  readonly pushed: { to: string; content: string; options: PushOptions }[] = [];
  readonly acked: string[] = [];
  connected = false;
  polls = 0;
  #pending: ConduitMessage[] = [];
  #seq = 0;
  #failures: { method: keyof Transport; error: unknown }[] = [];

  async connect(_config: TransportConnectConfig): Promise<void> {
    this.#maybeFail('connect');
    this.connected = true;
  }

  async disconnect(): Promise<void> {
    this.connected = false;
    this.#maybeFail('disconnect');
  }

  async push(to: string, content: string, options: PushOptions = {}): Promise<{ messageId: string }> {
    this.#ready('push');
    this.pushed.push({ to, content, options });
    return { messageId: randomUUID() };
  }

  async poll(options: PollOptions = {}): Promise<ConduitMessage[]> {
    this.polls += 1;
    this.#ready('poll');
    const after = options.afterSeq ?? 0;
    return this.#pending.filter((message) => message.seq! > after).slice(0, options.limit ?? 50);
  }

  async ack(messageIds: string[]): Promise<void> {
    this.#ready('ack');
    this.acked.push(...messageIds);
    const ids = new Set(messageIds);
    this.#pending = this.#pending.filter((message) => !ids.has(message.id));
  }

  /** Puts a message where the next poll finds it. */
  deliver(message: Partial<ConduitMessage> = {}): ConduitMessage {
    this.#seq += 1;
    const whole: ConduitMessage = {
      id: randomUUID(),
      from: 'someone',
      content: 'hello',
      timestamp: new Date().toISOString(),
      threadId: 'thread',
      seq: this.#seq,
      ...message,
    };
    this.#pending.push(whole);
    return whole;
  }

  /** The next call of `method` rejects with `error`. */
  failNext(method: keyof Transport, error: unknown): void {
    this.#failures.push({ method, error });
  }

  #ready(method: keyof Transport): void {
    this.#maybeFail(method);
    if (!this.connected)
      throw new CleoError('E_TRANSPORT_NOT_CONNECTED', 'MockTransport not connected. Call connect() first.');
  }

  #maybeFail(method: keyof Transport): void {
    const index = this.#failures.findIndex((failure) => failure.method === method);
    if (index >= 0) throw this.#failures.splice(index, 1)[0]!.error;
  }
}
