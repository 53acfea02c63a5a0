import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from 'vscode-jsonrpc/node';

const DEADLINE_MS = 30_000;

interface Completions {
  items?: { label: string }[];
}

interface Diagnostics {
  items: { message: string }[];
}

/**
 * What an editor offers behind the first `after` of a TypeScript file, and what it underlines in it: TypeScript's language
 * server is asked as an editor asks it.
 */
export async function completions(
  file: string,
  after: string,
): Promise<{ offered: string[]; wrong: string[] }> {
  const server = spawn('tsc', ['--lsp', '--stdio'], {
    cwd: dirname(file),
    stdio: ['pipe', 'pipe', 'ignore'],
    timeout: DEADLINE_MS,
  });
  const connection = createMessageConnection(
    new StreamMessageReader(server.stdout),
    new StreamMessageWriter(server.stdin),
  );
  // It asks for settings, and has none.
  connection.onRequest(() => null);
  connection.listen();
  const gone = new Promise<never>((_resolve, reject) => {
    server.once('error', reject);
    server.once('close', () => reject(new Error('the language server ended, or was too late')));
  });
  const ask = <T>(method: string, params: object) =>
    Promise.race([connection.sendRequest<T>(method, params), gone]);
  try {
    const uri = pathToFileURL(file).href;
    const text = readFileSync(file, 'utf8');
    const before = text.slice(0, text.indexOf(after) + after.length).split('\n');
    await ask('initialize', { processId: process.pid, rootUri: dirname(uri), capabilities: {} });
    await connection.sendNotification('initialized', {});
    await connection.sendNotification('textDocument/didOpen', {
      textDocument: { uri, languageId: 'typescript', version: 1, text },
    });
    const { items: offers = [] } = await ask<Completions>('textDocument/completion', {
      textDocument: { uri },
      position: { line: before.length - 1, character: before.at(-1)!.length },
    });
    const { items: faults } = await ask<Diagnostics>('textDocument/diagnostic', { textDocument: { uri } });
    return { offered: offers.map(({ label }) => label), wrong: faults.map(({ message }) => message) };
  } finally {
    gone.catch(() => {});
    connection.dispose();
    server.kill();
  }
}
