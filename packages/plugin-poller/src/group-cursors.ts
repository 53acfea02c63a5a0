import { type ConduitMessage, type Journal, messageKey } from '@cleocode/contracts';
import type { Condition } from '@cleocode/intake';

interface Following {
  readonly id: string;
  /** Read and handed over up to here. */
  readonly position: number | undefined;
}

/**
 * How far each group is finished, persisted. A stored cursor moves past a mention only when the inbox has finished with
 * it, so a crash repeats what was under way (the journal knows what is done) and loses nothing.
 */
export class GroupCursors {
  readonly #journal: Pick<Journal, 'getCursor' | 'setCursor'>;
  readonly #condition: Condition;
  readonly #stored = new Map<string, number>();
  readonly #unfinished = new Map<string, { seq: number; groups: readonly Following[] }>();

  constructor(journal: Pick<Journal, 'getCursor' | 'setCursor'>, condition: Condition) {
    this.#journal = journal;
    this.#condition = condition;
  }

  /** Mentions handed over and not settled. */
  get unfinished(): number {
    return this.#unfinished.size;
  }

  async load(groupId: string): Promise<number | undefined> {
    const stored = await this.#journal.getCursor(nameOf(groupId));
    if (stored !== undefined) this.#stored.set(groupId, stored);
    return stored;
  }

  /** Persists where a group that was never followed begins. */
  async begin(groupId: string, position: number): Promise<void> {
    await this.#journal.setCursor(nameOf(groupId), position);
    this.#stored.set(groupId, position);
  }

  /** The cursors of `groups` stay before this message until it is settled. */
  expect(message: ConduitMessage, groups: readonly Following[]): void {
    if (message.seq !== undefined) this.#unfinished.set(messageKey(message), { seq: message.seq, groups });
  }

  settle(message: ConduitMessage): void {
    this.#unfinished.delete(messageKey(message));
  }

  /** Never rejects: a cursor that could not be kept costs a repeated reading, and is tried again. */
  async save(groups: readonly Following[]): Promise<void> {
    const moved = this.#finished(groups).filter(([id, position]) => position > (this.#stored.get(id) ?? -1));
    if (moved.length === 0) return;
    try {
      await Promise.all(
        moved.map(async ([id, position]) => {
          await this.#journal.setCursor(nameOf(id), position);
          this.#stored.set(id, position);
        }),
      );
      this.#condition.ok();
    } catch (error) {
      this.#condition.fail(error);
    }
  }

  #finished(groups: readonly Following[]): [id: string, position: number][] {
    const finished = new Map<string, number>();
    for (const { id, position } of groups) if (position !== undefined) finished.set(id, position);
    for (const { seq, groups: waiting } of this.#unfinished.values())
      for (const { id } of waiting) finished.set(id, Math.min(finished.get(id) ?? seq, seq - 1));
    return [...finished];
  }
}

function nameOf(groupId: string): string {
  return `group:${groupId}`;
}
