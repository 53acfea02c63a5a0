import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Agent,
  type AgentCredential,
  agentIdSchema,
  CleoError,
  type Journal,
  type KeyIssuer,
  services,
} from '@cleocode/contracts';
import { definePlugin, packageVersion, resolveStateDir } from '@cleocode/kernel';
import { acquireLock, type HeldLock } from '@cleocode/sqlite';
import { z } from 'zod';
import type { DurableJournal } from './journal.ts';
import { Replayer } from './replayer.ts';
import { resumeAsAsked } from './resume-as-asked.ts';
import { openStore, type Store, type StoreRegistry } from './store.ts';
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
});

export type StorePluginOptions = z.input<typeof options>;

/** What the services lead to once `init` has run. */
interface Opened {
  registry: StoreRegistry;
  journal: DurableJournal;
  agent: StoredAgent;
}

/** Durable state as a plugin: who the agent is, its journal, and the replay of its dead letters. One process per agent. */
export const store = definePlugin({
  name: '@cleocode/store',
  version: packageVersion(import.meta.url),
  apiVersion: 1,
  options,
  requires: { inbox: services.inbox },
  provides: [services.registry, services.journal, services.agent],
  setup(ctx, { dir, agent: wanted, dataDir, issuer }, { inbox }) {
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
      const credential = await credentialToUse(store, wanted);
      lock = acquireLock(join(folder, 'run', `${credential.agentId}.lock`));
      await store.registry.markUsed(credential.agentId);
      const agent = new StoredAgent(credential, store.registry, ctx.logger);
      await agent.reload();
      opened = { registry: store.registry, journal: store.journalFor(agent.id), agent };
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

async function credentialToUse(store: Store, wanted: string | undefined): Promise<AgentCredential> {
  const credential = await (wanted === undefined ? store.registry.getActive() : store.registry.get(wanted));
  if (credential) return credential;
  const which = wanted === undefined ? 'No active agent is' : `"${wanted}" is not`;
  throw new CleoError('E_NO_AGENT', `No agent credential found. ${which} registered in ${store.file}.`, {
    hint: 'Run: cleo agent register --id <id> --api-key <key>',
  });
}

function notOpen(): CleoError {
  return new CleoError('E_STORE_NOT_OPEN', 'the store is not open: it is opened by its init handler', {
    hint: 'Use registry, journal and agent from an init handler on, not in setup.',
  });
}

// The services are handed out in setup, before there is a database behind them.

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

function agentOf(ready: () => Opened): Agent {
  return {
    get id() {
      return ready().agent.id;
    },
    credential: () => ready().agent.credential(),
    onChange: (listener) => ready().agent.onChange(listener),
    reportUnauthorized: (cause) => ready().agent.reportUnauthorized(cause),
    refresh: (refused, cause) => ready().agent.refresh(refused, cause),
    reportAccepted: (accepted) => ready().agent.reportAccepted(accepted),
    auth: () => ready().agent.auth(),
    onAuth: (listener) => ready().agent.onAuth(listener),
  };
}

/** The watch does not see this process's own writes, so each change is passed on to the agent here. */
function registryOf(ready: () => Opened): StoreRegistry {
  const refreshed = async <T>(change: (registry: StoreRegistry) => Promise<T>): Promise<T> => {
    const { registry, agent } = ready();
    try {
      return await change(registry);
    } finally {
      await agent.reload();
    }
  };
  return {
    get: async (agentId) => ready().registry.get(agentId),
    list: async (filter) => ready().registry.list(filter),
    getActive: async () => ready().registry.getActive(),
    markUsed: async (agentId) => ready().registry.markUsed(agentId),
    remove: async (agentId) => ready().registry.remove(agentId),
    register: (credential) => refreshed((registry) => registry.register(credential)),
    update: (agentId, patch) => refreshed((registry) => registry.update(agentId, patch)),
    rotateKey: (agentId, options) => refreshed((registry) => registry.rotateKey(agentId, options)),
    rotation: async (agentId) => ready().registry.rotation(agentId),
    retireKey: (agentId) => refreshed((registry) => registry.retireKey(agentId)),
    useAnother: (agentId, refused) => refreshed((registry) => registry.useAnother(agentId, refused)),
  };
}
