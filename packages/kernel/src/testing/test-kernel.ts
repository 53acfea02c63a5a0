import type { ConduitMessage, Transport } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import type { DispatchResult } from '../dispatch.ts';
import type { Kernel, KernelConfig, StopReport } from '../kernel.ts';
import type { LogRecord } from '../logger.ts';
import type { Plugin, StopReason } from '../plugin.ts';
import { compose, messageOf } from './compose.ts';
import { FakeClock } from './fake-clock.ts';

/** What a {@link TestKernel} is made of: everything that a kernel takes, but for the logger. */
export interface TestKernelConfig<T extends Transport | Plugin = MockTransport>
  extends Omit<KernelConfig, 'logger' | 'transport'> {
  /** Default: a `MockTransport`, where no plugin provides one. */
  transport?: T;
  /**
   * Timers of this process (`setTimeout`, `setInterval`, those of `node:timers/promises`) and its clocks stand still, until
   * {@link TestKernel.advance} moves them or the kernel stops. Deadlines by `AbortSignal.timeout` and the network go on.
   */
  fakeClock?: boolean;
}

/** A kernel for a test, and what can be seen and done from outside. */
export interface TestKernel<T extends Transport | Plugin = MockTransport> extends AsyncDisposable {
  readonly kernel: Kernel;
  /** What the plugins send and poll through. */
  readonly transport: T;
  /** Everything that was logged, from `debug` on, as it would be shown: secrets masked. */
  readonly logs: readonly LogRecord[];
  /** The lines of the log whose message has this text in it, or matches. */
  logged(what: string | RegExp): LogRecord[];
  /** Hands a message in, its text or any members of it, and waits for its end, retries included. */
  deliver(message?: string | Partial<ConduitMessage>): Promise<DispatchResult>;
  /** With `fakeClock`: lets so much time pass, with everything that is due in it, in its order. */
  advance(ms: number): Promise<void>;
  /** Ends the kernel, with the real clock again. Called again, it answers the same report. */
  stop(reason?: StopReason): Promise<StopReport>;
}

/**
 * A running kernel with these plugins, a transport in memory, a journal in memory and an agent with a key. Retries come at once,
 * and deadlines are short. Rejects as the start of the kernel does.
 *
 * ```ts
 * const bot = await testKernel({ plugins: [counter()] });
 * t.after(() => bot.stop()); // or `await using bot`, from Node 24 on
 * await bot.deliver('how many?');
 * assert.equal(bot.transport.pushed[0]?.content, '1');
 * ```
 */
export async function testKernel<T extends Transport | Plugin = MockTransport>({
  transport: given,
  fakeClock = false,
  ...parts
}: TestKernelConfig<T> = {}): Promise<TestKernel<T>> {
  const transport = given ?? (new MockTransport() as unknown as T);
  const { kernel, logs } = compose({ ...parts, transport });
  const clock = fakeClock ? FakeClock.install() : undefined;
  const running: TestKernel<T> = {
    kernel,
    transport,
    logs,
    logged: (what) =>
      logs.filter(({ message }) => (typeof what === 'string' ? message.includes(what) : what.test(message))),
    deliver: (message) => kernel.dispatch(messageOf(message)),
    async advance(ms) {
      if (!clock) throw new TypeError('advance needs a kernel that was made with fakeClock: true');
      await clock.advance(ms);
    },
    stop(reason) {
      // What does not end is to be named at its deadline, and that must come by itself.
      clock?.restore();
      return kernel.stop(reason);
    },
    async [Symbol.asyncDispose]() {
      await running.stop();
    },
  };
  await kernel.start().catch((error: unknown) => {
    clock?.restore();
    throw error;
  });
  return running;
}
