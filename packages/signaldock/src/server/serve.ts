import type { AddressInfo } from 'node:net';
import { errorText, withDeadline } from '@cleocode/contracts';
import { listenFailed, refuseInsecure } from './address.ts';
import { type Assembly, type AssemblyOptions, assemble, SILENT } from './assemble.ts';
import { keepIndexing } from './indexing.ts';

/** What {@link serve} serves, and where. */
export interface ServeOptions extends AssemblyOptions {
  /** Default `127.0.0.1`. Any other than this machine's own needs `tls` or `allowInsecure`. */
  host?: string;
  /** Default 4000; 0 picks a free one. */
  port?: number;
  /** Plain http on an address that other machines reach: keys and messages can be read on the way. Default `false`. */
  allowInsecure?: boolean;
  /** How long {@link SignalDockServer.close} waits for requests that are being answered. Default 10,000 ms. */
  drainMs?: number;
}

/** A server that listens. */
export interface SignalDockServer {
  /** Where it listens, without a slash at the end. */
  readonly url: string;
  /**
   * Takes no new requests (503), ends the streams with a hint when to come back, and resolves when the requests that had
   * begun are answered; those still open after `drainMs` are cut off. Safe to call twice.
   */
  close(): Promise<void>;
}

/** How often connections that have become idle are closed while the server closes. */
const SWEEP_MS = 50;

/**
 * Serves a dock over HTTP, or over HTTPS with `tls`. Resolves when it listens; rejects with `E_LISTEN_FAILED`, and with
 * `E_LISTEN_INSECURE` before it has tried.
 */
export async function serve(options: ServeOptions): Promise<SignalDockServer> {
  const { host = '127.0.0.1', port = 4000, tls, logger = SILENT, drainMs = 10_000 } = options;
  if (!tls && !options.allowInsecure) refuseInsecure(host);
  const assembly = await listen(options, host, port);
  const { app, context } = assembly;
  const bound = app.server.address() as AddressInfo;
  const url = `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${bound.port}`;
  context.publicUrl ||= url;
  logger.info('Listening', { url });
  const indexing = keepIndexing(options.dock, (error) =>
    logger.error('Messages could not be indexed for search', { error: errorText(error) }),
  );
  let closing: Promise<void> | undefined;
  const end = async () => {
    await Promise.all([shutDown(assembly, drainMs), indexing.stop()]);
    logger.info('Closed', { url });
  };
  return {
    url,
    close() {
      closing ??= end();
      return closing;
    },
  };
}

async function listen(options: ServeOptions, host: string, port: number): Promise<Assembly> {
  let assembly: Assembly | undefined;
  try {
    // Fails with a certificate that is none.
    assembly = await assemble(options);
    await assembly.app.listen({ host, port });
    return assembly;
  } catch (error) {
    await assembly?.app.close();
    throw listenFailed(error, host, port);
  }
}

async function shutDown({ app, gate, streams }: Assembly, drainMs: number): Promise<void> {
  gate.closed = true;
  await streams.close();
  const closed = app.close();
  // A connection that was busy when the server closed is idle after its answer, and would stay open.
  const sweep = setInterval(() => app.server.closeIdleConnections(), SWEEP_MS);
  try {
    await withDeadline(closed, drainMs, () => app.server.closeAllConnections());
  } catch {
    // Past the deadline: what was open has just been cut off.
    await closed;
  } finally {
    clearInterval(sweep);
  }
}
