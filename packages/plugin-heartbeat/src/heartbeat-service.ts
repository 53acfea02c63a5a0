import { randomUUID } from 'node:crypto';
import {
  type Agent,
  asTransportError,
  type CleoError,
  type Inbox,
  type IntakeMonitor,
  MAX_TIMER_MS,
  type PresenceStatus,
  type Problem,
  type Realtime,
  type Stall,
  type Transport,
} from '@cleocode/contracts';
import { listenerThrew, stopping, unusable } from './errors.ts';
import { Heart, type HeartbeatStatus } from './heart.ts';

/** Whose presence is told, and what proves it. */
export interface HeartbeatServiceOptions {
  /** Connected already; the service neither connects nor disconnects it. */
  transport: Transport;
  /** Names the agent in what goes to stderr. Who beats is who the transport is connected as. */
  agentId?: string;
  /**
   * The longest wait between two beats, in milliseconds; 0 tells nobody anything. Default 30000, which a backend that
   * believes a beat for 90 s expects.
   */
  intervalMs?: number;
  /** Proves whether messages arrive. Without it and without `realtime`, an agent that runs is taken to hear. */
  intake?: IntakeMonitor;
  /** Knows whether messages can be handled. */
  inbox?: Pick<Inbox, 'stats' | 'room'>;
  /** Proves whether messages arrive where there is no `intake`. */
  realtime?: Pick<Realtime, 'state' | 'lastReceiveAgeMs'>;
  /** Hears of refused keys; a new key is tried within seconds. */
  agent?: Pick<Agent, 'onChange' | 'reportUnauthorized'>;
  /** Stands in every report: a late `offline` of an earlier process cannot override its successor. Default: a random UUID. */
  instanceId?: string;
  /** Hears once of each trouble with telling, and of a transport that cannot tell. Default: a line on stderr. */
  onError?: (error: CleoError) => void;
  /** Telling works again, after so many failures in a row. */
  onRecovered?: (failures: number) => void;
  /** The backend has taken another status than before; the problems are the reasons for `busy`. */
  onChange?: (status: PresenceStatus, problems: readonly Problem[]) => void;
  /** This process stood still; see `watchForStalls` of the contracts. */
  onStall?: (stall: Stall) => void;
}

/**
 * Presence of an agent, without the kernel: others see it `online` while it hears, `busy` while it runs and does not hear,
 * and `offline` after {@link stop}. An agent that dies is taken for offline by the backend, three intervals later.
 */
export class HeartbeatService {
  readonly #newHeart: () => Heart;
  readonly #onError: (error: CleoError) => void;
  #heart: Heart;
  #run: { abort: AbortController; ended: Promise<void> } | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: HeartbeatServiceOptions) {
    const { transport, agentId, intervalMs = 30_000, instanceId = randomUUID() } = options;
    if (typeof transport?.connect !== 'function')
      throw unusable('transport is missing', 'Give a connected transport, such as HttpTransport.');
    if (!(intervalMs >= 0 && intervalMs <= MAX_TIMER_MS))
      throw unusable(
        `intervalMs is ${intervalMs}`,
        `Give a number from 0 to ${MAX_TIMER_MS}, or leave it out.`,
      );
    const { onError = (error) => toStderr(error, agentId), onRecovered, onChange, onStall } = options;
    const contained =
      <A extends unknown[]>(name: string, listener?: (...args: A) => void) =>
      (...args: A): void => {
        try {
          listener?.(...args);
        } catch (thrown) {
          toStderr(listenerThrew(name, thrown), agentId);
        }
      };
    this.#onError = contained('onError', onError);
    this.#newHeart = () =>
      new Heart({
        ...options,
        intervalMs,
        instanceId,
        onError: this.#onError,
        onRecovered: contained('onRecovered', onRecovered),
        onChange: contained('onChange', onChange),
        onStall: contained('onStall', onStall),
      });
    this.#heart = this.#newHeart();
  }

  /** Begins to beat; the first beat goes out within 2 s. Does nothing while it runs, or where there is nothing to do. */
  start(): void {
    if (this.#stopping) throw stopping();
    if (this.#run) return;
    const abort = new AbortController();
    this.#heart = this.#newHeart();
    const ended = this.#heart
      .run(abort.signal)
      .catch((error) => this.#onError(asTransportError(error, 'the heartbeat ended')));
    this.#run = { abort, ended };
  }

  /**
   * Ends the beat in flight, says `offline`, and resolves when nothing runs any more: after 2 s at the latest, whether or
   * not the backend could be told. Never rejects.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#end().finally(() => {
      this.#stopping = undefined;
    });
    return this.#stopping;
  }

  status(): HeartbeatStatus {
    const status = this.#heart.status();
    return { ...status, running: status.running && this.#stopping === undefined };
  }

  async #end(): Promise<void> {
    this.#run?.abort.abort(new Error('the heartbeat is stopping'));
    await this.#run?.ended;
    this.#run = undefined;
  }
}

function toStderr({ code, message, hint }: CleoError, agentId?: string): void {
  const line = `${code}: ${agentId ? `${agentId}: ` : ''}${message}`;
  console.error(hint ? `${line} (${hint})` : line);
}
