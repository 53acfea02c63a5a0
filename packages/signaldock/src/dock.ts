import { resolve } from 'node:path';
import { openDatabase } from '@cleocode/sqlite';
import { type Agents, agents } from './agents.ts';
import { type Conversations, conversations } from './conversations.ts';
import { Feed, type NewMessages } from './feed.ts';
import { type History, history } from './history.ts';
import { type Inbox, inbox } from './inbox.ts';
import { type Keys, keys } from './keys.ts';
import { type Listing, listing } from './listing.ts';
import { type Messages, messages } from './messages.ts';
import { type Overview, overview } from './overview.ts';
import { type Presence, presence } from './presence.ts';
import { keepPruning, type Retention, retention } from './retention.ts';
import { MIGRATIONS } from './schema.ts';
import { type Search, search } from './search.ts';

/** Which file a dock works on, and what it forgets. */
export interface DockOptions {
  file: string;
  /** Make the file when missing. Default `true`; otherwise a missing one is `E_STORAGE_UNAVAILABLE`. */
  create?: boolean;
  /** Messages read by all their recipients this long ago are deleted, once an hour. Default 30; 0 keeps them. */
  retentionDays?: number;
  /** Hears why the hourly deletion failed; it is tried again an hour later. */
  onError?: (error: unknown) => void;
  /** The clock, in epoch milliseconds; for tests. */
  now?: () => number;
}

/**
 * The backend, without a network: every rule of SignalDock, on one SQLite file. Any number of processes may open the
 * file. A promise of a change resolves once the change is on disk.
 *
 * Rejects with `WireError`s, and with `E_STORAGE_…` when the file is at fault.
 */
export interface Dock
  extends Agents,
    Keys,
    Presence,
    Conversations,
    Messages,
    Inbox,
    Overview,
    History,
    Listing,
    Search,
    Retention,
    NewMessages {
  readonly file: string;
  /** Gives up this hold; the file is closed with the last one. Safe to call twice. */
  close(): Promise<void>;
}

interface Shared {
  holders: number;
  core: Promise<Core>;
}

/** What the holders of one file share. */
interface Core {
  api: Omit<Dock, 'close'>;
  close(): Promise<void>;
}

const open = new Map<string, Shared>();

/**
 * Opens the dock of a file. One connection serves all who open the same file in this process, with the options of the
 * first; each closes its own hold.
 */
export async function openDock(options: DockOptions): Promise<Dock> {
  const file = resolve(options.file);
  const shared = open.get(file) ?? { holders: 0, core: openCore(file, options) };
  open.set(file, shared);
  shared.holders += 1;
  const forget = () => {
    if (open.get(file) === shared) open.delete(file);
  };
  try {
    const { api, close } = await shared.core;
    let closing: Promise<void> | undefined;
    const release = async () => {
      shared.holders -= 1;
      if (shared.holders > 0) return;
      forget();
      await close();
    };
    return {
      ...api,
      close() {
        closing ??= release();
        return closing;
      },
    };
  } catch (error) {
    forget();
    throw error;
  }
}

async function openCore(file: string, options: DockOptions): Promise<Core> {
  const { create = true, retentionDays = 30, now = Date.now, onError = () => {} } = options;
  const db = await openDatabase(file, { migrations: MIGRATIONS, create });
  const feed = new Feed(db);
  const context = { db, now, sent: () => feed.wake() };
  const api = {
    file,
    ...agents(context),
    ...keys(context),
    ...presence(context),
    ...conversations(context),
    ...messages(context),
    ...inbox(context),
    ...overview(context),
    ...history(context),
    ...listing(context),
    ...search(context),
    ...retention(context),
    onMessages: feed.onMessages.bind(feed),
  };
  const pruning = retentionDays > 0 ? keepPruning(api, retentionDays, onError) : undefined;
  return {
    api,
    async close() {
      feed.stop();
      await pruning?.stop();
      await db.close();
    },
  };
}
