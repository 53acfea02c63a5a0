import { once } from 'node:events';
import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import type { Server, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { CleoError, errorText } from '@cleocode/contracts';

/** What another process of the same user may ask of a running agent. Answers go over the socket as JSON. */
export interface Controls {
  status(): object;
}

export interface ControlServer {
  /** Answers no more, and takes the socket away. */
  close(): Promise<void>;
}

/**
 * Answers `controls` on a socket that only this user can open. The caller holds the agent's lock: what lies at the address is
 * left from a process that is gone. Throws `E_CONTROL_SOCKET`.
 */
export async function serveControls(address: string, controls: Controls): Promise<ControlServer> {
  const { createServer } = await import('node:http');
  const server = createServer((request, response) => {
    if (request.method === 'GET' && request.url === '/status') answer(response, 200, controls.status);
    else answer(response, 404, () => ({ error: `${request.method} ${request.url} is not known here` }));
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
      server.closeAllConnections();
      if (!isPipe(address)) rmSync(address, { force: true });
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
