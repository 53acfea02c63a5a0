import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { isLoopback } from '@cleocode/contracts';
import { resolveStateDir } from '@cleocode/kernel/define';
import type { Cli } from '../cli.ts';
import { DockServer } from '../dock-server.ts';
import { Ending } from '../ending.ts';
import { readEnvironment } from '../environment.ts';
import { EXIT } from '../exit-code.ts';
import { stderrLogger } from '../logger.ts';
import type { Output } from '../output.ts';
import { selfCommand } from '../self-command.ts';
import { UsageError } from '../usage-error.ts';

export interface ServeOptions {
  host: string;
  port: number;
  data?: string;
  tlsCert?: string;
  tlsKey?: string;
  insecure?: boolean;
  /** Requests a minute for each agent; 0 for no limit. */
  rateLimit: number;
  /** Milliseconds. */
  heartbeat?: number;
}

/** Serves the backend over HTTP until a signal ends it. Agents on the embedded backend of the same folder take part. */
export async function run(cli: Cli, options: ServeOptions): Promise<void> {
  const { output, globals } = cli;
  const { host, port, insecure: allowInsecure = false, rateLimit, heartbeat } = options;
  const tls = tlsOf(options);
  if (!tls && !allowInsecure) refusePlainHttp(host);
  const server = new DockServer({
    file: join(dataDir(options.data), 'signaldock.db'),
    output,
    // On `info` it would tell only what the command tells itself.
    logger: stderrLogger(globals.logLevel ?? readEnvironment().logLevel ?? 'warn', output),
    host,
    port,
    allowInsecure,
    rateLimit: { max: rateLimit },
    ...(tls && { tls }),
    ...(heartbeat !== undefined && { streamHeartbeatMs: heartbeat }),
  });
  const end = new Ending([server], output);
  // Its work is not what it prints.
  output.onReaderGone = () => {};
  try {
    const url = await server.start();
    if (allowInsecure)
      output.note(`warning: --insecure: who can listen on the way to ${url} can read keys and messages`);
    if (!end.begun) tellListening(output, url, server.file);
    cli.exitCode = (await end.reached) ? EXIT.done : EXIT.failed;
  } finally {
    end.unbind();
  }
}

/** The server refuses it too; here nothing has been made yet, and the flags have their names. */
function refusePlainHttp(host: string): void {
  if (isLoopback(host)) return;
  throw new UsageError(
    `plain http on ${host} would show keys and messages to the network`,
    'Serve https with --tls-cert and --tls-key, or put a proxy that does in front of 127.0.0.1; --insecure where nobody can listen.',
  );
}

function dataDir(given: string | undefined): string {
  const dir = given ?? resolveStateDir();
  if (statSync(dir, { throwIfNoEntry: false })?.isDirectory() === false)
    throw new UsageError(`--data ${dir} is a file`, 'Name the folder that holds signaldock.db, or will.');
  return dir;
}

function tlsOf({ tlsCert, tlsKey, insecure }: ServeOptions): { cert: Buffer; key: Buffer } | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined)
    throw new UsageError(
      'https needs a certificate and its key',
      'Give both: --tls-cert FILE --tls-key FILE',
    );
  if (insecure)
    throw new UsageError('--insecure allows plain http, and https was asked for', 'Leave it out.');
  const pair = { cert: readPem('--tls-cert', tlsCert), key: readPem('--tls-key', tlsKey) };
  try {
    createSecureContext(pair);
    return pair;
  } catch (cause) {
    throw new UsageError(
      `${tlsCert} and ${tlsKey} are no certificate with its private key: ${(cause as Error).message}`,
      'Give both as PEM: the certificate with its chain, and the key without a passphrase.',
      { cause },
    );
  }
}

function readPem(option: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new UsageError(
      `${option}: ${(cause as Error).message}`,
      'Check the path, and that this user may read the file.',
      { cause },
    );
  }
}

function tellListening(output: Output, url: string, file: string): void {
  const register = `${selfCommand()} agent register my-agent --api-url ${url}`;
  output.result(
    { event: 'listening', url },
    `listening on ${url}\n  Messages are kept in ${file}\n  Register an agent there: ${register}\n  Ctrl-C stops it.`,
  );
}
