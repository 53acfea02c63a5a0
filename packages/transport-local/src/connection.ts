import { existsSync } from 'node:fs';
import { CleoError, type ConduitMessage, toConduitMessage } from '@cleocode/contracts';
import { type Dock, openDock } from '@cleocode/signaldock';

/** An agent's hold on the dock. */
export class Connection {
  readonly dock: Dock;
  readonly agentId: string;
  /** Why nothing can work any more: the file is not the one that was opened. */
  broken: unknown;
  readonly #onError: (error: unknown) => void;
  readonly #ends = new Set<() => void>();

  /**
   * Throws `E_STORAGE_UNAVAILABLE` when there is no file, `E_NOT_FOUND_AGENT` when the agent is not registered in it.
   */
  static async open(file: string, agentId: string, onError: (error: unknown) => void): Promise<Connection> {
    if (!existsSync(file))
      throw new CleoError('E_STORAGE_UNAVAILABLE', `signaldock.db not found: ${file}. Run: cleo init`, {
        hint: 'It makes the embedded backend. Or set CLEO_DIR to the state folder that has one.',
        details: { file },
      });
    const dock = await openDock({ file, create: false, onError });
    try {
      await dock.getAgent(agentId);
      return new Connection(dock, agentId, onError);
    } catch (error) {
      await dock.close();
      throw error;
    }
  }

  private constructor(dock: Dock, agentId: string, onError: (error: unknown) => void) {
    this.dock = dock;
    this.agentId = agentId;
    this.#onError = onError;
  }

  subscribe(handler: (message: ConduitMessage) => unknown): () => void {
    const stopListening = this.dock.onMessages(
      this.agentId,
      (message) => {
        // An asynchronous handler is a handler too: its rejection must not end the process.
        Promise.resolve(handler(toConduitMessage(message))).catch(this.#onError);
      },
      (error) => {
        if (CleoError.is(error, 'E_STORAGE_REPLACED')) this.broken = error;
        this.#onError(error);
      },
    );
    const end = () => {
      this.#ends.delete(end);
      stopListening();
    };
    this.#ends.add(end);
    return end;
  }

  async close(): Promise<void> {
    for (const end of this.#ends) end();
    await this.dock.close();
  }
}
