import { type ConduitMessage, conversationOf, type IntakeSource, messageKey } from '@cleocode/contracts';
import type { HookEntry } from '../hooks.ts';
import type { Attempt } from './attempt.ts';
import { type Gap, narrowed, overtakes, widened } from './gap.ts';

/** A message the inbox has taken responsibility for. */
export interface Item {
  readonly key: string;
  readonly message: ConduitMessage;
  readonly source: string;
  readonly lane: Lane;
  /** Ids to ack at the backend when it is done: one per copy that an ackable source has shown. */
  readonly ackIds: string[];
  /** Why no handler may see it. */
  readonly unusable: string | undefined;
  /** Handlers that need not run again on a retry. */
  handled: HookEntry[] | undefined;
  /** The pass over the handlers that is under way. */
  attempt: Attempt | undefined;
}

/** The messages of one conversation, in order; at most one of them is being handled. */
export interface Lane {
  readonly name: string;
  readonly items: Item[];
  /** Handling one, or waiting before a retry: not to be started again. */
  busy: boolean;
  /** What it had to turn away; what comes after that must wait for it. */
  gap: Gap;
  /** Whoever was turned away should hear when there is room. */
  refused: boolean;
}

export interface LaneLimits {
  capacity: number;
  capacityBytes: number;
  laneCapacity: number;
}

/**
 * Accepts messages into the lane of their conversation, within bounds, so that order inside a conversation holds and one
 * conversation that does not move cannot take all the room.
 */
export class Lanes {
  readonly #limits: LaneLimits;
  readonly #lanes = new Map<string, Lane>();
  readonly #items = new Map<string, Item>();
  #bytes = 0;
  /** Set when the inbox as a whole was full: the same rule as a lane's gap, for every lane. */
  #gap: Gap;
  #refused = false;
  /** Everything unread up to this `seq` was taken: what the latest page from a cursor said. */
  #taken = 0;

  constructor(limits: LaneLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#items.size;
  }

  get room(): number {
    return this.#bytes >= this.#limits.capacityBytes
      ? 0
      : Math.max(0, this.#limits.capacity - this.#items.size);
  }

  /** The item in flight or waiting under `key`. */
  get(key: string): Item | undefined {
    return this.#items.get(key);
  }

  /** Notes how far the source has come, before its messages are accepted. */
  proceed({ afterSeq = this.#taken }: IntakeSource): void {
    this.#taken = afterSeq;
  }

  /** Puts one message at the end of its lane, or says no and notes the gap. */
  accept(message: ConduitMessage, source: IntakeSource, unusable?: string): Item | undefined {
    const key = messageKey(message);
    const name = conversationOf(message);
    let lane = this.#lanes.get(name);
    if (this.room === 0 || overtakes(this.#gap, source, this.#taken)) {
      this.#gap = widened(this.#gap, message, source);
      this.#refused = true;
      return undefined;
    }
    // From here on its own lane answers for it.
    this.#gap = narrowed(this.#gap, message);
    if (
      lane &&
      (lane.items.length >= this.#limits.laneCapacity || overtakes(lane.gap, source, this.#taken))
    ) {
      lane.gap = widened(lane.gap, message, source);
      lane.refused = true;
      return undefined;
    }
    if (!lane) {
      lane = { name, items: [], busy: false, gap: undefined, refused: false };
      this.#lanes.set(name, lane);
    }
    lane.gap = narrowed(lane.gap, message);
    const item: Item = {
      key,
      message,
      source: source.name,
      lane,
      ackIds: source.ackable ? [message.id] : [],
      unusable,
      handled: undefined,
      attempt: undefined,
    };
    lane.items.push(item);
    this.#items.set(key, item);
    this.#bytes += message.content.length;
    return item;
  }

  /**
   * Takes the first item out of its lane: it is finished, whichever way. Answers whether a source that was turned away should
   * come back now: once when half of the room is free again, and once more when all of it is.
   */
  remove(item: Item): boolean {
    const { lane } = item;
    lane.items.shift();
    this.#items.delete(item.key);
    this.#bytes -= item.message.content.length;
    if (lane.items.length === 0 && lane.gap === undefined) this.#lanes.delete(lane.name);
    const { capacity, laneCapacity } = this.#limits;
    const laneHasRoom = lane.refused && atMark(lane.items.length, laneCapacity);
    const inboxHasRoom = this.#refused && this.room > 0 && atMark(this.#items.size, capacity);
    // Once all of it is free there is nothing left to say.
    if (lane.items.length === 0) lane.refused = false;
    if (this.#items.size === 0) this.#refused = false;
    return laneHasRoom || inboxHasRoom;
  }
}

function atMark(length: number, limit: number): boolean {
  return length === Math.floor(limit / 2) || length === 0;
}
