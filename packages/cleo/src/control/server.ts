import { once } from 'node:events';
import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import type { Server, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { CleoError, errorText } from '@cleocode/contracts';

/** Whoever asked for a stop may have stopped reading. */
const TELL_MS = 1_000;

/** What another process of the same user may ask of a running agent. Answers go over the socket as JSON. */
export interface Controls {
  status(): object;
  /** What it runs, and what that has cost so far. */
  plugins(): object;
  /** Begins to end it. Whoever asked is answered by {@link ControlServer.tellStopped}. */
  stop(): void;
}

export interface ControlServer {
  /** Answers no more, and takes the socket away. Who asked for the stop still waits. */
  close(): Promise<void>;
  /** Tells those who asked for the stop how it went. Resolves when the system has taken the answer. */
  tellStopped(report: object): Promise<void>;
}

/**
 * Answers `controls` on a socket that only this user can open. The caller holds the agent's lock: what lies at the address is
 * left from a process that is gone. Throws `E_CONTROL_SOCKET`.
 */
export async function serveControls(address: string, controls: Controls): Promise<ControlServer> {
  // Not by import, which reads every export of it, and so loads the WebSocket and fetch of Node: twice the time of the rest.
  const { createServer } = process.getBuiltinModule('node:http');
  const stopping = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    const asked = `${request.method} ${request.url}`;
    if (asked === 'GET /status') answer(response, 200, controls.status);
    else if (asked === 'GET /plugins') answer(response, 200, controls.plugins);
    else if (asked === 'POST /stop') {
      stopping.add(response);
      response.once('close', () => stopping.delete(response));
      // Whoever asked knows now that it was heard, and may wait for as long as it takes.
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
      controls.stop();
    } else answer(response, 404, () => ({ error: `${asked} is not known here` }));
  });
  try {
    await listen(server, address);
  } catch (cause) {
    throw new CleoError('E_CONTROL_SOCKET', `cannot listen on ${address}: ${errorText(cause)}`, {
      hint: 'The agent runs, but "cleo agent status" cannot ask it. Check the folder, then start it again.',
      cause,
      details: { address },
    });
  }
  return {
    async close() {
      server.close();
      if (stopping.size > 0) server.closeIdleConnections();
      else server.closeAllConnections();
      if (!isPipe(address)) rmSync(address, { force: true });
    },
    async tellStopped(report) {
      const text = JSON.stringify(report);
      const told = [...stopping].map((response) =>
        once(response.end(text), 'close', { signal: AbortSignal.timeout(TELL_MS) }),
      );
      await Promise.allSettled(told);
    },
  };
}

async function listen(server: Server, address: string): Promise<void> {
  if (!isPipe(address)) {
    ownFolder(dirname(address));
    rmSync(address, { force: true });
  }
  server.listen(address);
  await once(server, 'listening');
  if (!isPipe(address)) chmodSync(address, 0o600);
}

/** Among the temporary files somebody else may have made it before, to answer in the agent's place. */
function ownFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!folder.startsWith(tmpdir())) return;
  const { uid, mode } = lstatSync(folder);
  if (uid !== process.getuid?.() || (mode & 0o022) !== 0)
    throw new Error(`${folder} belongs to somebody else, or others may write to it`);
}

function isPipe(address: string): boolean {
  return address.startsWith('\\\\');
}

function answer(response: ServerResponse, code: number, body: () => object): void {
  let status = code;
  let text: string;
  try {
    text = JSON.stringify(body());
  } catch (error) {
    status = 500;
    text = JSON.stringify({ error: errorText(error) });
  }
  response.writeHead(status, { 'content-type': 'application/json' }).end(text);
}
