import { callTransport, type PresenceReport, type Transport, withDeadline } from '@cleocode/contracts';

/** Tells the backend how the agent is, over whichever of the two capabilities the transport has. */
export class Teller {
  readonly #transport: Transport;
  #spoken = false;
  #last: Promise<void> = Promise.resolve();

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  get supported(): boolean {
    return Boolean(this.#transport.heartbeat ?? this.#transport.setStatus);
  }

  /** Something was sent, so it may have reached the backend. */
  get spoken(): boolean {
    return this.#spoken;
  }

  /**
   * Resolves when the backend has taken the report. Rejects with the transport's error, with `E_TRANSPORT_TIMEOUT` after
   * `timeoutMs`, or with the reason of `signal`; a transport that ignores its own signal is not waited for.
   */
  async tell(report: PresenceReport, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const method = this.#methodFor(report);
    await callTransport(this.#transport, method, { timeoutMs, signal }, (own) => {
      const told = (async () => this.#transport[method]?.(report, { signal: own }))();
      this.#spoken = true;
      this.#last = told.then(ignore, ignore);
      return told;
    });
  }

  /** Resolves once the transport has let go of the last report, but after `ms` at the latest. */
  async settled(ms: number): Promise<void> {
    // Past its time it is left behind: the caller cannot wait for ever.
    await withDeadline(this.#last, ms, () => undefined).catch(ignore);
  }

  #methodFor({ status }: PresenceReport): 'heartbeat' | 'setStatus' {
    const { heartbeat, setStatus } = this.#transport;
    if (status === 'offline') return setStatus ? 'setStatus' : 'heartbeat';
    return heartbeat ? 'heartbeat' : 'setStatus';
  }
}

function ignore(): void {}
