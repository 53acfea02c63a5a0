import {
  CleoError,
  type ConduitMessage,
  type ConversationPage,
  callTransport,
  conversationOf,
  type FetchConversationOptions,
  type Inbox,
  isAuthError,
  isMentioned,
  type Journal,
  type Transport,
} from '@cleocode/contracts';
import { Condition, type IntakeReporter, retryDelay } from '@cleocode/intake';
import { GroupCursors } from './group-cursors.ts';

export interface GroupScanOptions {
  agentId: string;
  transport: Transport;
  inbox: Inbox;
  cursors: Pick<Journal, 'getCursor' | 'setCursor'>;
  reporter: IntakeReporter;
  /** A request's deadline in milliseconds. */
  timeoutMs: number;
  /** Conversations to follow. */
  groups: readonly string[];
  /** How many of a group's newest messages count when it is followed for the first time. */
  groupPollLimit: number;
}

export interface Group {
  readonly id: string;
  /** Everything up to here was read and handed to the inbox; `undefined` before the first look. */
  position: number | undefined;
  /** Its own trouble: gone, or closed to this agent. */
  readonly condition: Condition;
  askAgainAt: number;
}

/** Mentions read but not handed over yet. */
export interface GroupPage {
  groups: Group[];
  mentions: ConduitMessage[];
  afterSeq: number;
  /** Where the groups stand once the inbox has taken the mentions. */
  position: number;
  more: boolean;
}

const PAGE = 200;
/** Conversations asked for in one request. */
const IDS = 50;
const REFUSED_GROUP_MS = 5 * 60_000;

/**
 * Follows conversations for messages that mention the agent, each from a persisted cursor, in order, until caught up.
 *
 * {@link read} and {@link deliver} are two steps because the same message may also be unread as the agent's own copy:
 * a scan of those between the two makes sure that nothing older of the conversation is still on its way.
 */
export class GroupScan {
  readonly #options: GroupScanOptions;
  readonly #fetch: NonNullable<Transport['fetchConversation']> | undefined;
  readonly #groups: Group[];
  readonly #condition: Condition;
  readonly #cursors: GroupCursors;
  #loaded = false;
  #askAgainAt = 0;
  /** How few mentions must be unfinished for another look before its time; -1 when nothing was turned away. */
  #lookAgainAt = -1;

  constructor(options: GroupScanOptions) {
    const { transport, reporter, groups } = options;
    this.#options = options;
    this.#fetch = transport.fetchConversation?.bind(transport);
    this.#condition = new Condition('groups', reporter);
    this.#groups = [...new Set(groups)].map((id) => ({
      id,
      position: undefined,
      condition: new Condition(`group ${id}`, reporter),
      askAgainAt: 0,
    }));
    this.#cursors = new GroupCursors(options.cursors, new Condition('group cursors', reporter));
    if (groups.length > 0 && !this.#fetch) this.#condition.fail(cannotFollow(transport));
  }

  /** The latest reading failed, and is worth another as soon as there is one. */
  get failing(): boolean {
    return this.#fetch !== undefined && this.#condition.failures > 0;
  }

  /**
   * Reads the next page of each group. A failure is kept and waited out here, without disturbing the direct messages.
   * Only a refused key is thrown as well: asking for those too would not help.
   */
  async read(signal: AbortSignal): Promise<GroupPage[]> {
    const pages: GroupPage[] = [];
    if (!this.#fetch || this.#groups.length === 0 || performance.now() < this.#askAgainAt) return pages;
    try {
      if (!this.#loaded) await this.#load();
      const head = Math.max(0, ...this.#groups.map(({ position }) => position ?? 0));
      for (const batch of this.#batches()) pages.push(...(await this.#readBatch(batch, head, signal)));
      this.#condition.ok();
    } catch (error) {
      signal.throwIfAborted();
      this.#askAgainAt = performance.now() + retryDelay(error, this.#condition.failures);
      this.#condition.fail(error);
      if (isAuthError(error)) throw error;
    }
    return pages;
  }

  /**
   * Hands the mentions to the inbox. `inOrder` tells for a conversation whether the agent's own copies were all read and
   * taken since; where not, its mentions wait for another look. Answers whether more is waiting that could be read now.
   */
  deliver(pages: readonly GroupPage[], inOrder: (conversation: string) => boolean): boolean {
    let more = false;
    for (const page of pages) {
      const ready = page.mentions.filter((message) => inOrder(conversationOf(message)));
      for (const message of ready) this.#cursors.expect(message, groupsOf(message, page));
      const { deferred } = this.#options.inbox.receive(ready, { name: 'group', ackable: false });
      for (const message of deferred) this.#cursors.settle(message);
      // An inbox with no room for a mention now has some when half of those it has are finished.
      if (deferred.length > 0) this.#lookAgainAt = Math.floor(this.#cursors.unfinished / 2);

      const held = new Map<Group, number>();
      const waiting = page.mentions.filter((message) => !inOrder(conversationOf(message)));
      for (const message of [...deferred, ...waiting])
        for (const group of groupsOf(message, page))
          held.set(group, Math.min(held.get(group) ?? page.position, (message.seq ?? page.afterSeq + 1) - 1));
      for (const group of page.groups) group.position = held.get(group) ?? page.position;
      more ||= page.more && held.size < page.groups.length;
    }
    return more;
  }

  /** The inbox has finished this message. Answers whether it has room again for what it turned away. */
  settled(message: ConduitMessage): boolean {
    this.#cursors.settle(message);
    if (this.#cursors.unfinished > this.#lookAgainAt) return false;
    this.#lookAgainAt = -1;
    return true;
  }

  /** Persists how far the groups are not only read but finished. */
  save(): Promise<void> {
    return this.#cursors.save(this.#groups);
  }

  /** Ends the wait after a failure: something changed. */
  retryNow(): void {
    this.#askAgainAt = 0;
  }

  async #load(): Promise<void> {
    for (const group of this.#groups) group.position = await this.#cursors.load(group.id);
    this.#loaded = true;
  }

  /** Groups that stand at the same position share a request. */
  #batches(): Group[][] {
    const due = this.#groups.filter(({ askAgainAt }) => performance.now() >= askAgainAt);
    const batches = due.filter(({ position }) => position === undefined).map((group) => [group]);
    const standing = Map.groupBy(
      due.filter(({ position }) => position !== undefined),
      ({ position }) => position,
    );
    for (const groups of standing.values())
      for (let start = 0; start < groups.length; start += IDS) batches.push(groups.slice(start, start + IDS));
    return batches;
  }

  async #readBatch(groups: Group[], head: number, signal: AbortSignal): Promise<GroupPage[]> {
    try {
      const page = await this.#readPage(groups, head, signal);
      for (const { condition } of groups) condition.ok();
      return [page];
    } catch (error) {
      if (!isAboutGroup(error)) throw error;
      if (groups.length === 1) {
        groups[0]!.condition.fail(error);
        groups[0]!.askAgainAt = performance.now() + REFUSED_GROUP_MS;
        return [];
      }
      // One of them is to blame. Asked for alone, the others go on.
      const pages: GroupPage[] = [];
      for (const group of groups) pages.push(...(await this.#readBatch([group], head, signal)));
      return pages;
    }
  }

  /** `head`: a position that some group had reached before this request. */
  async #readPage(groups: Group[], head: number, signal: AbortSignal): Promise<GroupPage> {
    const [first] = groups;
    let afterSeq = first!.position;
    const page = await this.#request(
      groups,
      afterSeq === undefined ? { limit: this.#options.groupPollLimit } : { afterSeq, limit: PAGE },
      signal,
    );
    const more = page.more && page.cursor > (afterSeq ?? -1);
    if (afterSeq === undefined) {
      const seqs = page.messages.map(({ seq }) => seq).filter((seq) => seq !== undefined);
      afterSeq = seqs.length > 0 ? Math.min(...seqs) - 1 : page.cursor;
      // Kept before anything is handed over: a crash from here on repeats these messages and skips none.
      await this.#cursors.begin(first!.id, afterSeq);
      first!.position = afterSeq;
    }
    return {
      groups,
      mentions: page.messages.filter((message) => this.#isForAgent(message)),
      afterSeq,
      // `seq` grows over the whole backend: a group that shows nothing new is as far as any group was before.
      position: more ? page.cursor : Math.max(page.cursor, head),
      more,
    };
  }

  #request(
    groups: readonly Group[],
    options: FetchConversationOptions,
    signal: AbortSignal,
  ): Promise<ConversationPage> {
    const { transport, timeoutMs } = this.#options;
    const ids = groups.map(({ id }) => id);
    return callTransport(transport, 'fetchConversation', { timeoutMs, signal }, (own) =>
      this.#fetch!(ids, { ...options, signal: own }),
    );
  }

  #isForAgent({ from, content }: ConduitMessage): boolean {
    const { agentId } = this.#options;
    return from !== agentId && typeof content === 'string' && isMentioned(content, agentId);
  }
}

/** The groups that stand still when this message does: its own, or all of the page when it does not say. */
function groupsOf(message: ConduitMessage, page: GroupPage): Group[] {
  const own = page.groups.filter(({ id }) => id === message.threadId);
  return own.length > 0 ? own : page.groups;
}

/** The backend speaks of one conversation, not of the key or of itself. */
function isAboutGroup(error: unknown): boolean {
  return CleoError.is(error) && /^E_(NOT_FOUND|VALIDATION|AUTH_FORBIDDEN|AUTH_INSUFFICIENT)/.test(error.code);
}

function cannotFollow(transport: Transport): CleoError {
  return new CleoError(
    'E_GROUPS_UNSUPPORTED',
    `${transport.name}: this transport cannot read conversations, so no group is followed`,
    { hint: 'Use a transport with fetchConversation, or take the groups out of the configuration.' },
  );
}
