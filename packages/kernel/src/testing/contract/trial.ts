import assert from 'node:assert/strict';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { type ConduitMessage, errorText, type Transport } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import type { AgentConfig } from '../../config/types.ts';
import type { Kernel, StopReport } from '../../kernel.ts';
import { definePlugin, type Plugin, type PluginDefinition, type PluginFactory } from '../../plugin.ts';
import { compose } from '../compose.ts';
import { Escapes } from './escapes.ts';
import { OpenResources } from './open-resources.ts';

/** What the contract needs to know about a plugin, beyond its factory. Everything that is a function runs for each kernel. */
export interface PluginGiven<Input = unknown> {
  /** Options it works with; a function where they name something of their own, such as a folder. Default: none. */
  options?: Input | (() => Input | Promise<Input>);
  /** Options it must refuse, by the path that it must blame: `{ everyMs: { everyMs: 'soon' }, 'urls[0]': { urls: [1] } }`. */
  invalidOptions?: Record<string, unknown>;
  /** Plugins that provide what it requires, beyond agent, inbox, journal and transport; `providing` makes one of an object. */
  services?: () => readonly Plugin[] | Promise<readonly Plugin[]>;
  /** Default: a `MockTransport`. Not used where the plugin provides one. */
  transport?: () => Transport | Plugin | Promise<Transport | Plugin>;
  /** Who it works for. Default: some id, with a key. */
  agent?: () => AgentConfig | Promise<AgentConfig>;
  /** A message it can handle. Default: a hello from somebody. */
  message?: Partial<ConduitMessage>;
  /** For `init`, `start`, a message and what ends it, each, in milliseconds. Default 5,000. */
  deadlineMs?: number;
  /** How long what was closed may take to be gone, in milliseconds. Default 2,000. */
  patienceMs?: number;
}

// biome-ignore lint/suspicious/noExplicitAny: definitions of every type
type AnyDefinition = PluginDefinition<any, any, any, any, any>;

export interface TrialOptions {
  /** Plugins after it. */
  beside?: readonly Plugin[];
  /** Instead of the given options. */
  options?: unknown;
  agent?: AgentConfig;
  /** How long a stop waits for messages. Default: the deadline. */
  drainMs?: number;
  /** Changes the definition, to look at what it does. */
  around?(definition: AnyDefinition): AnyDefinition;
}

/** One kernel with the plugin in it, and what that kernel has opened. */
export class Trial {
  readonly kernel: Kernel;
  readonly #name: string;
  readonly #resources: OpenResources;
  readonly #escapes = new Escapes();
  readonly #patienceMs: number;

  private constructor(kernel: Kernel, name: string, resources: OpenResources, patienceMs: number) {
    this.kernel = kernel;
    this.#name = name;
    this.#resources = resources;
    this.#patienceMs = patienceMs;
  }

  /** Makes a kernel with the plugin in it, has `work` done with it, and ends it whatever became of that. */
  static async with(
    factory: PluginFactory,
    given: PluginGiven,
    options: TrialOptions,
    work: (trial: Trial) => Promise<void>,
  ): Promise<void> {
    const trial = await Trial.#of(factory, given, options);
    try {
      await work(trial);
    } finally {
      await trial.kernel.stop();
      trial.#resources.close();
      trial.#escapes.close();
    }
  }

  static async #of(
    factory: PluginFactory,
    given: PluginGiven,
    { beside = [], around = (definition) => definition, ...instead }: TrialOptions,
  ): Promise<Trial> {
    const { deadlineMs = 5_000, patienceMs = 2_000, services, transport, agent } = given;
    const options = 'options' in instead ? instead.options : await optionsOf(given);
    const plugin = definePlugin(around(factory.definition))(options);
    const [before, carrier, who] = [
      (await services?.()) ?? [],
      (await transport?.()) ?? new MockTransport(),
      instead.agent ?? (await agent?.()),
    ];
    // What the author opened for this kernel is theirs to close.
    const resources = new OpenResources();
    const { kernel } = resources.run(() =>
      compose({
        agent: who,
        transport: carrier,
        plugins: [...before, plugin, ...beside],
        timeouts: {
          initMs: deadlineMs,
          startMs: deadlineMs,
          messageMs: deadlineMs,
          drainMs: instead.drainMs ?? deadlineMs,
          stopMs: deadlineMs,
        },
      }),
    );
    return new Trial(kernel, factory.definition.name, resources, patienceMs);
  }

  /** The plugin itself does, not only one beside it. */
  get handlesMessages(): boolean {
    return this.#own()?.hooks.message !== undefined;
  }

  prepare(): Promise<void> {
    return this.#resources.run(() => this.kernel.prepare());
  }

  start(): Promise<void> {
    return this.#resources.run(() => this.kernel.start());
  }

  /** Ends the kernel, and fails when the plugin had to be forced or left something. */
  async end(when: string): Promise<StopReport> {
    const report = await this.#resources.run(() => this.kernel.stop());
    const forced = report.forced.map(({ error }) => error);
    assert.deepEqual(forced, [], `${when}, it ends in time and without an error`);
    const running = (this.#own()?.tasks ?? []).filter(({ state }) => state !== 'ended');
    assert.deepEqual(
      running.map(({ name }) => name),
      [],
      `${when}, no task of it runs on`,
    );
    // A socket that was told to close takes some turns.
    await this.gone(() => this.#resources.open(), `${when}, nothing of it is left open`);
    await turn();
    assert.deepEqual(this.#escapes.found.map(errorText), [], `${when}, no error has escaped it`);
    return report;
  }

  #own() {
    return this.kernel.describe().plugins.find(({ name }) => name === this.#name);
  }

  /** Waits until `left` answers nothing, as long as there is patience. */
  async gone(left: () => string[], what: string): Promise<void> {
    const deadline = performance.now() + this.#patienceMs;
    while (left().length > 0 && performance.now() < deadline) await sleep(5);
    assert.deepEqual(left(), [], what);
  }
}

export async function optionsOf<Input>({ options }: PluginGiven<Input>): Promise<Input | undefined> {
  return typeof options === 'function'
    ? await (options as () => Input | Promise<Input>)()
    : (options as Input | undefined);
}
