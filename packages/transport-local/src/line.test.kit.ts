import { setTimeout as sleep } from 'node:timers/promises';
import { CleoError, type RequestOptions, withDeadline } from '@cleocode/contracts';
import type { LocalTransport } from './local-transport.ts';

const RESTART_MS = 20;
const NEVER_MS = 60_000;

/**
 * Stands between a transport and its dock as a network would, so that the rows of the conformance table about restarts
 * and silence have something to run on. What comes through it behaves as a remote transport should.
 */
export class Line {
  restarts = 0;
  #up = true;
  #silence: Promise<void> | undefined;

  /** Leads the calls of `transport` over the line. */
  through(transport: LocalTransport): void {
    const push = transport.push.bind(transport);
    const poll = transport.poll.bind(transport);
    const ack = transport.ack.bind(transport);
    const fetchConversation = transport.fetchConversation.bind(transport);
    const heartbeat = transport.heartbeat.bind(transport);
    const setStatus = transport.setStatus.bind(transport);
    const isOnline = transport.isOnline.bind(transport);
    const rotateKey = transport.rotateKey.bind(transport);
    const verifyKey = transport.verifyKey.bind(transport);
    Object.assign(transport, {
      push: (to, content, options) => this.#pass(options, () => push(to, content, options)),
      poll: (options) => this.#pass(options, () => poll(options)),
      ack: (ids, options) => this.#pass(options, () => ack(ids, options)),
      fetchConversation: (ids, options) => this.#pass(options, () => fetchConversation(ids, options)),
      heartbeat: (report, options) => this.#pass(options, () => heartbeat(report, options)),
      setStatus: (report, options) => this.#pass(options, () => setStatus(report, options)),
      isOnline: (agentId, options) => this.#pass(options, () => isOnline(agentId, options)),
      rotateKey: (options) => this.#pass(options, () => rotateKey(options)),
      verifyKey: (apiKey, options) => this.#pass(options, () => verifyKey(apiKey, options)),
    } satisfies Partial<LocalTransport>);
  }

  restart = async (): Promise<void> => {
    this.#up = false;
    await sleep(RESTART_MS);
    this.#up = true;
    this.restarts += 1;
  };

  silence = async (): Promise<() => Promise<void>> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#silence = promise;
    return async () => {
      this.#silence = undefined;
      resolve();
    };
  };

  async #pass<T>({ signal }: RequestOptions = {}, call: () => Promise<T>): Promise<T> {
    if (this.#silence) await withDeadline(this.#silence, NEVER_MS, () => new Error('never released'), signal);
    if (!this.#up) throw new CleoError('E_TRANSPORT_TIMEOUT', 'the line is cut', { retryable: true });
    return call();
  }
}
