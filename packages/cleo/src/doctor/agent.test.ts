import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { type Line, Sandbox } from '../cleo.test.kit.ts';

const KEY = `sk_live_${'0123456789abcdef'.repeat(4)}`;

it('asks the backend of each agent: whether it is there, takes the key, and has the same time', async () => {
  const box = new Sandbox();
  const { url, dock } = await box.server();
  await box.registerAt({ url, dock }, 'fine');
  await dock.registerAgent({ agentId: 'refused' });
  // Known to the environment alone, and never started here.
  box.write('key', (await dock.registerAgent({ agentId: 'new' })).apiKey);
  const env = { CLEO_AGENT: 'new', CLEO_API_URL: url, CLEO_API_KEY_FILE: 'key' };
  const ago = (ms: number) => new Date(Date.now() - ms).toUTCString();
  const at =
    (ms: number): RequestListener =>
    (_, response) => {
      response.writeHead(200, { date: ago(ms), 'content-type': 'application/json' });
      response.end(JSON.stringify({ success: true, data: { agent: {} } }));
    };
  const slow = await backend(at(60_000));
  const past = await backend(at(3_600_000));
  const silent = await backend(() => {});
  await box.store({ agentId: 'refused', apiKey: KEY, apiBaseUrl: url });
  await box.store({ agentId: 'unknown', apiKey: KEY, apiBaseUrl: 'http://127.0.0.1:9' });
  await box.store({ agentId: 'slow', apiKey: KEY, apiBaseUrl: slow });
  await box.store({ agentId: 'past', apiKey: KEY, apiBaseUrl: past });
  await box.store({ agentId: 'unheard', apiKey: KEY, apiBaseUrl: silent });
  const { code, lines } = await box.json(['doctor'], { env });
  expect(code).toBe(3);
  expect(lines.at(-1)).toEqual({ ok: false, errors: 4, warnings: 1 });
  const told = (agentId: string) =>
    ['backend', 'key', 'clock'].map((check) => found(lines, check, agentId)?.status);
  expect(told('fine')).toEqual(['ok', 'ok', 'ok']);
  expect(told('new')).toEqual(['ok', 'ok', 'ok']);
  expect(told('refused')).toEqual(['ok', 'error', 'ok']);
  expect(told('unknown')).toEqual(['error', undefined, undefined]);
  expect(told('unheard')).toEqual(['error', undefined, undefined]);
  expect(told('slow')).toEqual(['ok', 'ok', 'warning']);
  expect(told('past')).toEqual(['ok', 'ok', 'error']);
  expect(found(lines, 'backend', 'unheard')).toMatchObject({
    message: `${silent} cannot be used: no answer within 2.5 s`,
  });
  expect(found(lines, 'clock', 'past')).toMatchObject({
    message: expect.stringMatching(/^this clock is 1 h.* ahead of the backend's$/),
    hint: expect.any(String),
  });
  expect(found(lines, 'key', 'refused')).toMatchObject({
    hint: expect.stringContaining('--api-key-stdin'),
  });
});

async function backend(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function found(lines: readonly Line[], check: string, agentId?: string): Line | undefined {
  return lines.find((line) => line.check === check && line.agentId === agentId);
}
