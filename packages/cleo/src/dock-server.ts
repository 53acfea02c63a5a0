import { resolve } from 'node:path';
import { errorText } from '@cleocode/contracts';
import type { Logger } from '@cleocode/kernel';
import { type Dock, openDock } from '@cleocode/signaldock';
import { type ServeOptions, type SignalDockServer, serve } from '@cleocode/signaldock/server';
import type { Stoppable } from './ending.ts';
import type { Output } from './output.ts';

export interface DockServerOptions extends Omit<ServeOptions, 'dock'> {
  /** The dock's file; made when it is missing. */
  file: string;
  logger: Logger;
  output: Output;
}

/** The backend of one file as a server, opened and closed together. */
export class DockServer implements Stoppable {
  readonly file: string;
  readonly #options: DockServerOptions;
  #opening: Promise<{ dock: Dock; server: SignalDockServer }> | undefined;

  constructor(options: DockServerOptions) {
    this.file = resolve(options.file);
    this.#options = options;
  }

  /** Resolves with its address when it listens. What had been opened is closed when it rejects. */
  async start(): Promise<string> {
    this.#opening = this.#open();
    return (await this.#opening).server.url;
  }

  async stop(reason: string): Promise<boolean> {
    const ok = await this.#close();
    this.#options.output.result({ event: 'stopped', reason, ok }, 'stopped');
    return ok;
  }

  async #open(): Promise<{ dock: Dock; server: SignalDockServer }> {
    const { file, logger, output: _, ...options } = this.#options;
    const onError = (error: unknown) => logger.error(`old messages stay for now: ${errorText(error)}`);
    const dock = await openDock({ file, onError });
    try {
      return { dock, server: await serve({ ...options, dock, logger }) };
    } catch (error) {
      await dock.close();
      throw error;
    }
  }

  async #close(): Promise<boolean> {
    const { logger } = this.#options;
    // It could not be started and was told as a failure: there is nothing to close.
    const open = await this.#opening?.catch(() => undefined);
    try {
      await open?.server.close();
      await open?.dock.close();
      return true;
    } catch (error) {
      logger.error(`the server did not end cleanly: ${errorText(error)}`);
      return false;
    }
  }
}
