import {
  type ConduitMessage,
  type InboxEvent,
  type IntakeSource,
  type Journal,
  services,
} from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import type { Delivery, HookOptions, Kernel, KernelConfig, Plugin } from '../index.ts';
import { define, kernelOf, plugin, type Records, recordLogs } from '../kernel.test.kit.ts';
import { MemoryJournal } from './memory-journal.ts';

const POLL: IntakeSource = { name: 'poll', ackable: true };

type Handler = (delivery: Delivery) => unknown;

export interface BenchOptions extends KernelConfig {
  /** One plugin each, named `handler-1`, `handler-2`, … */
  handlers?: (Handler | [Handler, HookOptions])[];
  journal?: Journal;
}

/** A running kernel for the agent `me`, with everything its inbox did written down. */
export interface Bench {
  readonly kernel: Kernel;
  readonly transport: MockTransport;
  readonly events: InboxEvent[];
  readonly log: Records;
  /** Hands messages to the inbox, as an ackable source unless told otherwise. */
  receive(
    messages: ConduitMessage | ConduitMessage[],
    source?: Partial<IntakeSource>,
  ): ReturnType<Kernel['inbox']['receive']>;
  eventsOf<T extends InboxEvent['type']>(type: T): Extract<InboxEvent, { type: T }>[];
}

export async function startBench({ handlers = [], journal, ...config }: BenchOptions = {}): Promise<Bench> {
  const transport = new MockTransport();
  const log = recordLogs();
  const events: InboxEvent[] = [];
  const kernel = kernelOf({
    agent: 'me',
    transport,
    logger: log.logger,
    ...config,
    plugins: [
      ...(journal ? [journalPlugin(journal)] : []),
      ...handlers.map((handler, index) => handlerPlugin(`handler-${index + 1}`, handler)),
      ...(config.plugins ?? []),
    ],
  });
  kernel.inbox.observe((event) => void events.push(event));
  await kernel.start();
  return {
    kernel,
    transport,
    events,
    log,
    receive: (messages, source) => kernel.inbox.receive([messages].flat(), { ...POLL, ...source }),
    eventsOf: (type) => events.filter((event) => event.type === type) as never,
  };
}

function handlerPlugin(name: string, handler: Handler | [Handler, HookOptions]): Plugin {
  const [run, options] = [handler].flat() as [Handler, HookOptions?];
  return plugin(name, (ctx) => void ctx.on('message', run, options));
}

function journalPlugin(journal: Journal): Plugin {
  return define({
    name: 'journal',
    provides: [services.journal],
    setup: (ctx) => ctx.provide(services.journal, journal),
  })();
}

/** A journal in memory that writes down what it is told, and fails where {@link broken} says so. */
export class FaultyJournal extends MemoryJournal {
  readonly calls: [method: string, key: string, ...rest: unknown[]][] = [];
  /** Methods that reject, each with its error. */
  readonly broken = new Map<keyof Journal, unknown>();

  override begin(key: string) {
    return this.#call('begin', () => super.begin(key), key);
  }

  override done(key: string) {
    return this.#call('done', () => super.done(key), key);
  }

  override failed(key: string, ...rest: unknown[]) {
    return this.#call('failed', () => super.failed(key), key, ...rest);
  }

  override release(key: string) {
    return this.#call('release', () => super.release(key), key);
  }

  override dead(key: string, ...rest: unknown[]) {
    return this.#call('dead', () => super.dead(key), key, ...rest);
  }

  methodsFor(key: string): string[] {
    return this.calls.filter(([, other]) => other === key).map(([method]) => method);
  }

  #call<T>(method: keyof Journal, work: () => T, key: string, ...rest: unknown[]): T {
    this.calls.push([method, key, ...rest]);
    if (this.broken.has(method)) return Promise.reject(this.broken.get(method)) as T;
    return work();
  }
}
