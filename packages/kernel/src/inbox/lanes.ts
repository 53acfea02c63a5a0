import {
  type ConduitMessage,
  conversationOf,
  type HeldMessage,
  hopsOf,
  type IntakeSource,
  messageKey,
} from '@cleocode/contracts';
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
  /** Answers in a row by which it came about. */
  hops: number;
  /** Something was sent while it was handled. */
  answered: boolean;
  /** Its conversation was set aside and goes on with it. */
  resumed: boolean;
  /** Handlers that need not run again on a retry. */
  handled: HookEntry[] | undefined;
  /** The pass over the handlers that is under way. */
  attempt: Attempt | undefined;
}

/** The messages of one conversation, in order; at most one of them is being handled. */
export interface Lane {
  readonly name: string;
  readonly items: Item[];
  /** Waits for a slot. */
  ready: boolean;
  /** Handling one, or waiting before a retry, or set aside: not to be started again. */
  busy: boolean;
  /** Its conversation goes on after it was set aside: what the journal holds of it comes before its items. */
  resuming: boolean;
  /** Set aside, with its items in it. */
  parked: boolean;
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
    lane ??= this.#add(name);
    lane.gap = narrowed(lane.gap, message);
    const item: Item = {
      key,
      message,
      source: source.name,
      lane,
      ackIds: source.ackable ? [message.id] : [],
      unusable,
      hops: source.anew ? 0 : hopsOf(message),
      answered: false,
      resumed: false,
      handled: undefined,
      attempt: undefined,
    };
    lane.items.push(item);
    this.#note(item);
    return item;
  }

  /** The lane of a conversation that is there. */
  lane(name: string): Lane | undefined {
    return this.#lanes.get(name);
  }

  /** The lane of a conversation that goes on: it stays, with items or without, until {@link resumed}. */
  resume(name: string): Lane {
    const lane = this.#lanes.get(name) ?? this.#add(name);
    lane.resuming = true;
    return lane;
  }

  /** Puts what the journal held before everything else in its lane; one more than the bounds allow. */
  hold(lane: Lane, { key, message }: HeldMessage): Item {
    const place = lane.items.findIndex((item) => item.key === key);
    if (place >= 0) {
      // It is tried again, or the backend has shown it again meanwhile.
      const [known] = lane.items.splice(place, 1) as [Item];
      lane.items.unshift(known);
      known.hops = 0;
      known.resumed = true;
      return known;
    }
    const item: Item = {
      key,
      message,
      source: 'resume',
      lane,
      ackIds: [],
      unusable: undefined,
      hops: 0,
      answered: false,
      resumed: true,
      handled: undefined,
      attempt: undefined,
    };
    lane.items.unshift(item);
    this.#note(item);
    return item;
  }

  /** Nothing is held of it any more. What has come meanwhile was waiting for that, and counts from here. */
  resumed(lane: Lane): void {
    lane.resuming = false;
    for (const item of lane.items) item.hops = 0;
    this.#forgetIdle(lane);
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
    this.#forgetIdle(lane);
    const { capacity, laneCapacity } = this.#limits;
    const laneHasRoom = lane.refused && atMark(lane.items.length, laneCapacity);
    const inboxHasRoom = this.#refused && this.room > 0 && atMark(this.#items.size, capacity);
    // Once all of it is free there is nothing left to say.
    if (lane.items.length === 0) lane.refused = false;
    if (this.#items.size === 0) this.#refused = false;
    return laneHasRoom || inboxHasRoom;
  }

  #note(item: Item): void {
    this.#items.set(item.key, item);
    this.#bytes += item.message.content.length;
  }

  #add(name: string): Lane {
    const lane = {
      name,
      items: [],
      ready: false,
      busy: false,
      resuming: false,
      parked: false,
      gap: undefined,
      refused: false,
    };
    this.#lanes.set(name, lane);
    return lane;
  }

  #forgetIdle(lane: Lane): void {
    if (lane.items.length === 0 && lane.gap === undefined && !lane.resuming) this.#lanes.delete(lane.name);
  }
}

function atMark(length: number, limit: number): boolean {
  return length === Math.floor(limit / 2) || length === 0;
}
