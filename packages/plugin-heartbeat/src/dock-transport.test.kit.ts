import type { PresenceReport } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import type { Dock } from '@cleocode/signaldock';

/** Presence as a real dock keeps it. It heeds no signal: what was handed to a dock is stored. */
export class DockTransport extends MockTransport {
  readonly #dock: Dock;
  readonly #agentId: string;
  #stored: Promise<unknown> = Promise.resolve();
  /** Which beats do not reach the dock; counts from 0. */
  loses: (nth: number) => boolean = () => false;
  #beats = 0;

  constructor(dock: Dock, agentId: string) {
    super();
    this.#dock = dock;
    this.#agentId = agentId;
  }

  async heartbeat(report: PresenceReport): Promise<void> {
    if (this.loses(this.#beats++)) throw new Error('connection reset');
    await this.#store(this.#dock.heartbeat(this.#agentId, report));
  }

  async setStatus(report: PresenceReport): Promise<void> {
    await this.#store(this.#dock.setStatus(this.#agentId, report));
  }

  /** Resolves when everything handed over is stored. */
  async idle(): Promise<void> {
    await this.#stored;
  }

  #store(write: Promise<void>): Promise<void> {
    this.#stored = write;
    return write;
  }
}
