import {
  type AsideConversation,
  type ConduitMessage,
  errorText,
  type Inbox,
  type InboxEvent,
  type InboxStats,
  type IntakeSource,
  isMessage,
  messageKey,
  type ReceiveResult,
  Waiters,
} from '@cleocode/contracts';
import { Acker } from './acker.ts';
import { Asides } from './asides.ts';
import { Blockers } from './blockers.ts';
import { Dispatcher, type DispatcherParts } from './dispatcher.ts';
import { type Item, Lanes } from './lanes.ts';
import { type InboxOptions, withDefaults } from './options.ts';
import { acksFailing, type ProblemEvent, Problems } from './problems.ts';
import { remainsOf, UNUSABLE } from './unusable.ts';

/** What the inbox works with; known once the plugins are set up. */
export interface InboxParts
  extends Pick<
    DispatcherParts,
    'hooks' | 'journal' | 'journalProvider' | 'logger' | 'outbox' | 'messageTimeoutMs'
  > {
  ack(ids: string[], signal: AbortSignal): Promise<void>;
  agentId: string;
}

/** Why one message was not taken. */
export type Refusal = 'closed' | 'invalid' | 'own' | 'duplicate' | 'full';

export interface DrainReport {
  /** Everything that was being handled has finished. */
  drained: boolean;
  /** What did not finish in time: those messages come again at the next start. `plugin`: whose handler was at work. */
  released: { messageId: string; plugin?: string }[];
}

/** How long the release of what did not finish, and then the last acks, may take beyond the drain deadline. */
const CLOSING_MS = 400;

/**
 * The kernel's inbox: takes messages in, keeps them in lanes, and acks each once the dispatcher is through with it. Nothing
 * is acked before the journal has it.
 */
export class KernelInbox implements Inbox {
  readonly #options: Required<InboxOptions>;
  readonly #lanes: Lanes;
  readonly #problems = new Problems((event) => this.#announce(event));
  readonly #observers = new Set<(event: InboxEvent) => void>();
  readonly #roomWaiters = new Waiters();
  #open:
    | { parts: InboxParts; dispatcher: Dispatcher; acker: Acker; asides: Asides; blockers: Blockers }
    | undefined;
  #closed = false;

  constructor(options: InboxOptions = {}) {
    this.#options = withDefaults(options);
    this.#lanes = new Lanes(this.#options);
  }

  /** Gives the inbox its parts. Messages are accepted from now on and wait until {@link open}. */
  attach(parts: InboxParts): void {
    const asides = new Asides({
      options: this.#options,
      logger: parts.logger,
      agentId: parts.agentId,
      emit: (event) => this.#emit(event),
    });
    const blockers = new Blockers(parts.logger);
    const dispatcher = new Dispatcher({
      ...parts,
      options: this.#options,
      problems: this.#problems,
      lanes: this.#lanes,
      asides,
      observed: () => this.#observers.size > 0,
      emit: (event) => this.#emit(event),
      finished: (item) => this.#finished(item),
    });
    const acker = new Acker({
      ack: parts.ack,
      onState: (error) => {
        if (error === undefined) this.#problems.resolve('ack_failing');
        else this.#problems.report(acksFailing(error));
      },
      onRefused: (ids, error) =>
        parts.logger.error('the backend refuses an ack', { messageIds: ids, error: errorText(error) }),
    });
    this.#open = { parts, dispatcher, acker, asides, blockers };
    this.#wakeRoomWaiters();
  }

  /** Starts to hand messages to the handlers. */
  open(): void {
    this.#open?.dispatcher.open();
  }

  /** Called when a handler was added. */
  handlersChanged(): void {
    if (!this.#open?.parts.hooks.handlesMessages) return;
    this.#problems.resolve('no_handler');
    this.#open.dispatcher.pump();
  }

  /** A message handler of the plugin kept everything else from running for `ms`. */
  blocked(plugin: string, ms: number): void {
    this.#open?.blockers.note(plugin, ms);
  }

  get room(): number {
    return this.#closed || !this.#open ? 0 : this.#lanes.room;
  }

  receive(messages: readonly ConduitMessage[], source: IntakeSource): ReceiveResult {
    const result: ReceiveResult = { accepted: 0, duplicates: 0, deferred: [] };
    if (!this.#open || this.#closed) {
      result.deferred.push(...messages);
      return result;
    }
    const { parts, dispatcher } = this.#open;
    this.#lanes.proceed(source);
    for (const message of messages) {
      if (!isMessage(message)) this.#takeUnusable(message, source, result);
      else if (message.from === parts.agentId) this.#skipOwn(message, source, result);
      else this.#take(message, source, result);
    }
    dispatcher.pump();
    return result;
  }

  /** Takes one message that its caller keeps until it is taken, or answers why not. */
  offer(message: ConduitMessage): Refusal | undefined {
    if (!this.#open || this.#closed) return 'closed';
    if (!isMessage(message)) return 'invalid';
    if (message.from === this.#open.parts.agentId) return 'own';
    if (this.#lanes.get(messageKey(message))) return 'duplicate';
    return this.receive([message], { name: 'dispatch', ackable: false }).accepted === 1 ? undefined : 'full';
  }

  async waitForRoom(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.room === 0) await this.#roomWaiters.wait(signal);
  }

  stats(): InboxStats {
    const inFlight = this.#open?.dispatcher.inFlight ?? 0;
    const aside = this.#open?.asides.problem();
    const blocking = this.#open?.blockers.problem();
    return {
      inFlight,
      queued: this.#lanes.size - inFlight,
      ...(this.#open?.dispatcher.counts ?? { done: 0, failed: 0, dead: 0, dropped: 0 }),
      unacked: this.#open?.acker.size ?? 0,
      problems: this.#problems.list(),
      ...(aside && { aside }),
      ...(blocking && { blocking }),
    };
  }

  aside(): AsideConversation[] {
    return this.#open?.asides.list() ?? [];
  }

  async resume(conversation: string): Promise<boolean> {
    return (await this.#open?.dispatcher.resume(conversation)) ?? false;
  }

  observe(listener: (event: InboxEvent) => void): () => void {
    this.#observers.add(listener);
    return () => this.#observers.delete(listener);
  }

  /** Takes nothing more in. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#emit({ type: 'closed' });
  }

  /**
   * Takes nothing more in, waits up to `ms` for what is being handled, releases the rest (signal aborted, attempt not
   * counted), and sends the last acks. Never rejects.
   */
  async drain(ms: number): Promise<DrainReport> {
    this.close();
    if (!this.#open) return { drained: true, released: [] };
    const { dispatcher, acker } = this.#open;
    dispatcher.close();
    const drained = await dispatcher.idle(ms);
    const late = dispatcher.working.map(({ key, message, attempt }) => {
      const plugin = attempt?.waitingFor;
      return { key, released: { messageId: message.id, ...(plugin !== undefined && { plugin }) } };
    });
    dispatcher.giveUp(new Error('the kernel is stopping'));
    await dispatcher.idle(CLOSING_MS);
    // What finished after all has left its lane.
    const released = late.filter(({ key }) => this.#lanes.get(key)).map((one) => one.released);
    await acker.flush(CLOSING_MS);
    return { drained, released };
  }

  #take(message: ConduitMessage, source: IntakeSource, result: ReceiveResult, unusable?: string): void {
    const known = this.#lanes.get(messageKey(message));
    if (known) {
      if (source.ackable && !known.ackIds.includes(message.id)) known.ackIds.push(message.id);
      result.duplicates += 1;
      return;
    }
    const item = this.#lanes.accept(message, source, unusable);
    if (!item) {
      result.deferred.push(message);
      return;
    }
    result.accepted += 1;
    this.#open!.dispatcher.add(item.lane);
  }

  #skipOwn(message: ConduitMessage, source: IntakeSource, result: ReceiveResult): void {
    if (source.ackable) this.#open!.acker.add([message.id]);
    result.duplicates += 1;
  }

  /** What is no message ends as a dead letter and is acked, in its turn; without an id to ack, all that can be done is to say so. */
  #takeUnusable(bad: unknown, source: IntakeSource, result: ReceiveResult): void {
    const remains = source.ackable ? remainsOf(bad) : undefined;
    if (remains) this.#take(remains, source, result, UNUSABLE);
    else
      this.#open!.parts.logger.error('a message without id, sender or text content is set aside', {
        source: source.name,
        id: (bad as { id?: unknown } | null)?.id,
      });
  }

  #finished(item: Item): void {
    const roomAgain = this.#lanes.remove(item);
    if (item.ackIds.length > 0) this.#open!.acker.add(item.ackIds);
    if (roomAgain) this.#emit({ type: 'room' });
    this.#wakeRoomWaiters();
  }

  /** Not for each single place: a source that waited should find room for a page. */
  #wakeRoomWaiters(): void {
    if (this.#roomWaiters.size === 0 || this.room < this.#options.capacity / 8) return;
    this.#roomWaiters.wake();
  }

  #announce(event: ProblemEvent): void {
    const { type: inboxEvent, code, message: problem, hint } = event;
    const fields = { inboxEvent, code, problem, hint };
    if (event.resolved) this.#open?.parts.logger.info('the inbox works again', fields);
    else this.#open?.parts.logger.error('the inbox cannot work', fields);
    this.#emit(event);
  }

  #emit(event: InboxEvent): void {
    for (const observer of this.#observers) {
      try {
        observer(event);
      } catch (error) {
        this.#open?.parts.logger.error('an observer of the inbox threw', {
          event: event.type,
          error: errorText(error),
        });
      }
    }
  }
}
