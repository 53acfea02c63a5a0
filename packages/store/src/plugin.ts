import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { agentIdSchema, type CleoError, type Journal, type KeyIssuer, services } from '@cleocode/contracts';
import { definePlugin, packageVersion, resolveStateDir } from '@cleocode/kernel/define';
import { acquireLock, type HeldLock } from '@cleocode/sqlite';
import { z } from 'zod';
import { BorrowedRegistry, registryOption } from './borrowed-registry.ts';
import { borrowedAgent, look, lookOption } from './credentials-plugin.ts';
import { findCredential } from './find-credential.ts';
import type { DurableJournal } from './journal.ts';
import { Replayer } from './replayer.ts';
import { resumeAsAsked } from './resume-as-asked.ts';
import { agentOf, type Held, notOpen, registryOf } from './services.ts';
import { openStore } from './store.ts';
import { StoredAgent } from './stored-agent.ts';

/** How often the database is looked at for what other processes changed, in milliseconds. */
const WATCH_MS = 250;

const options = z.strictObject({
  /** The state folder. Default: `CLEO_DIR`, else the nearest `.cleo` from the working directory upwards. */
  dir: z.string().min(1).optional(),
  /** The agent to run as. Default: the most recently used active one. */
  agent: agentIdSchema.optional(),
  /** The folder of the machine key. Default: `CLEO_DATA_DIR`, else the user's data folder. */
  dataDir: z.string().min(1).optional(),
  /** How `registry.rotateKey` gets a new key from a caller that brings no issuer. */
  issuer: z
    .custom<KeyIssuer>(
      (value) => typeof (value as KeyIssuer | null)?.issue === 'function',
      'expected a KeyIssuer',
    )
    .optional(),
  /** A registry of another make, which holds the credentials; the folder keeps the rest. Default: the folder's own. */
  registry: registryOption.optional(),
  /** How often such a registry is read for what others changed, in milliseconds. A refused key is looked for at once. */
  lookMs: lookOption,
});

/** Options of {@link store}. */
export type StorePluginOptions = z.input<typeof options>;

/** What the services lead to once `init` has run. */
interface Opened extends Held {
  journal: DurableJournal;
}

/** Durable state as a plugin: who the agent is, its journal, and the replay of its dead letters. One process per agent. */
export const store = definePlugin({
  name: '@cleocode/store',
  version: packageVersion(import.meta.url),
  apiVersion: 1,
  options,
  requires: { inbox: services.inbox },
  provides: [services.registry, services.journal, services.agent],
  setup(ctx, { dir, agent: wanted, dataDir, issuer, registry: given, lookMs }, { inbox }) {
    const borrowed = given && new BorrowedRegistry(given);
    let opened: Opened | undefined;
    const ready = (): Opened => {
      if (!opened) throw notOpen();
      return opened;
    };
    ctx.provide(services.registry, registryOf(ready));
    ctx.provide(services.journal, journalOf(ready));
    ctx.provide(services.agent, agentOf(ready));

    let changed = true;
    let replayer: Replayer | undefined;

    ctx.on('init', async () => {
      const folder = dir ?? resolveStateDir();
      const onWarning = ({ code, message, hint }: CleoError): void =>
        ctx.logger.warn(message, { code, hint });
      const store = await openStore({ dir: folder, dataDir, issuer, onWarning });
      // The start was given up meanwhile: nothing deferred from here on would ever run.
      if (ctx.signal.aborted) return store.close();
      let lock: HeldLock | undefined;
      let unwatch: (() => void) | undefined;
      ctx.defer(async () => {
        unwatch?.();
        try {
          await store.close();
        } finally {
          lock?.release();
        }
      });
      const agent = borrowed
        ? await borrowedAgent(borrowed, wanted, ctx.logger)
        : new StoredAgent(
            await findCredential(store.registry, wanted, store.file),
            store.registry,
            ctx.logger,
          );
      lock = acquireLock(join(folder, 'run', `${agent.id}.lock`));
      if (!borrowed) await store.registry.markUsed(agent.id);
      await agent.reload();
      opened = { registry: borrowed ?? store.registry, journal: store.journalFor(agent.id), agent };
      replayer = new Replayer(store.deadLettersFor(agent.id), inbox);
      const onChange = (): void => {
        changed = true;
        void agent.reload();
      };
      const onReplaced = (error: CleoError): void =>
        ctx.logger.error(error.message, { code: error.code, hint: error.hint });
      unwatch = store.watch(onChange, { intervalMs: WATCH_MS, onReplaced });
    });

    ctx.on('start', () => {
      if (borrowed) look(ctx, opened!.agent, lookMs);
      ctx.task('replay', async (signal) => {
        for (;;) {
          if (changed) {
            changed = false;
            const undone = await resumeAsAsked(opened!.journal.asides, inbox);
            changed = replayer!.feed() || undone || changed;
          }
          await sleep(WATCH_MS, undefined, { signal });
        }
      });
    });
  },
});

/** Handed out in setup, before there is a database behind it. */
function journalOf(ready: () => Opened): Journal {
  return {
    begin: (key) => ready().journal.begin(key),
    done: (key) => ready().journal.done(key),
    failed: (key, reason) => ready().journal.failed(key, reason),
    release: (key) => ready().journal.release(key),
    dead: (key, message, reason) => ready().journal.dead(key, message, reason),
    getCursor: (name) => ready().journal.getCursor(name),
    setCursor: (name, value) => ready().journal.setCursor(name, value),
    get asides() {
      return ready().journal.asides;
    },
    getMark: (name) => ready().journal.getMark(name),
    setMark: (name, value) => ready().journal.setMark(name, value),
  };
}
