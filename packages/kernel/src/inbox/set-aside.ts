import type { AsideConversation, HeldMessage, InboxEvent, Journal, MaybePromise } from '@cleocode/contracts';
import type { Asides, Objection } from './asides.ts';
import type { Item, Lane, Lanes } from './lanes.ts';
import { GAVE_UP, type PatientJournal } from './patient-journal.ts';

export interface SetAsideParts {
  asides: Asides;
  lanes: Lanes;
  /** Asked once: for what somebody waits for, and may try again themselves. */
  journal: Journal;
  /** Asked until it answers. */
  patient: PatientJournal;
  /** Whether anybody listens: events are not made for nobody. */
  observed(): boolean;
  emit(event: InboxEvent): void;
  /** The lane has something to do. */
  wake(lane: Lane): void;
  /** The lane was kept busy, and is so no more. */
  proceed(lane: Lane): void;
}

/**
 * What became of a message that was to be kept back. `held`: the journal has it. `parked`: it waits in its lane, for the journal
 * cannot hold it. `free`: its conversation goes on, so it is not kept back after all.
 */
export type Kept = 'held' | 'parked' | 'free' | typeof GAVE_UP;

/**
 * The messages of conversations that are set aside: kept back, in the journal where it can hold them and in their lane where it
 * cannot, until somebody lets the conversation go on. Then they come first, the oldest before the others.
 */
export class SetAside {
  readonly #parts: SetAsideParts;

  constructor(parts: SetAsideParts) {
    this.#parts = parts;
  }

  /** Which conversations were set aside before; without a promise when the journal answers so. */
  known(): MaybePromise<readonly AsideConversation[] | typeof GAVE_UP> {
    return this.#parts.journal.asides ? this.#parts.patient.ask(listAsides, '') : [];
  }

  restore(known: readonly AsideConversation[]): void {
    for (const aside of known) {
      this.#parts.asides.restore(aside);
      if (aside.resuming) this.#goOn(aside.conversation);
    }
  }

  /** Whether the message is to be kept back: its conversation is set aside (`true`), or is to be from now on, and why. */
  keepsBack(item: Item): Objection | boolean {
    const { asides } = this.#parts;
    // Asked for every message: most come from no answer, while nothing is set aside.
    if (item.hops === 0 && asides.size === 0) return false;
    if (!item.resumed && asides.get(item.lane.name)) return true;
    return asides.objection(item) ?? false;
  }

  /** Keeps a message back whose conversation is set aside, or is from now on. */
  async keep(item: Item, objection: Objection | undefined): Promise<Kept> {
    const { asides, emit, journal, observed, patient } = this.#parts;
    const { key, message } = item;
    const conversation = item.lane.name;
    const held = journal.asides
      ? await patient.ask((one) => one.asides!.hold(conversation, { key, message }, objection), key)
      : 'parked';
    if (held === GAVE_UP) return held;
    if (held === 'resuming' || held === 'free') {
      // Somebody else has let it go on: what is held comes first, then this one.
      this.#goOn(conversation);
      return 'free';
    }
    if (objection) asides.add(conversation, objection);
    if (observed()) emit({ type: 'held', message, conversation });
    return held;
  }

  /** Leaves a lane with what waits in it; answers `false` when somebody has let it go on meanwhile. */
  park(lane: Lane): boolean {
    lane.parked = this.#parts.asides.get(lane.name) !== undefined;
    return lane.parked;
  }

  /** Lets a conversation go on; resolves with whether it was set aside. Rejects when the journal cannot note it. */
  async resume(conversation: string): Promise<boolean> {
    const { asides, journal } = this.#parts;
    const aside = asides.get(conversation);
    if (!aside || aside.resuming) return aside !== undefined;
    if (journal.asides) {
      await journal.asides.resume(conversation);
      this.#goOn(conversation);
    } else this.#unpark(conversation);
    return true;
  }

  /** The next message that the journal holds of a lane that goes on; `undefined` when that was all. */
  next(lane: Lane): MaybePromise<HeldMessage | undefined | typeof GAVE_UP> {
    return this.#parts.patient.ask((journal) => journal.asides!.next(lane.name), lane.name);
  }

  /** Nothing of it is held any more: it is a conversation like any other. */
  ended(lane: Lane): void {
    this.#parts.asides.clear(lane.name);
    this.#parts.lanes.resumed(lane);
  }

  /** The lane takes its turn with what the journal holds of it. */
  #goOn(conversation: string): void {
    const { asides, lanes } = this.#parts;
    if (lanes.lane(conversation)?.resuming) return;
    asides.resume(conversation);
    this.#parts.wake(lanes.resume(conversation));
  }

  #unpark(conversation: string): void {
    const { asides, lanes } = this.#parts;
    asides.resume(conversation);
    asides.clear(conversation);
    const lane = lanes.lane(conversation);
    if (!lane) return;
    lanes.resumed(lane);
    if (!lane.parked) return;
    lane.parked = false;
    this.#parts.proceed(lane);
  }
}

const listAsides = (journal: Journal) => journal.asides!.list();
