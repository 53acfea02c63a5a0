import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { get } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { testDock } from '../dock.test.kit.ts';
import { serve } from './index.ts';
import { listeningServer } from './server.test.kit.ts';

it('listens on a free port of this machine and says where', async () => {
  const { server } = await listeningServer();
  expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
});

it('tells a new agent to connect there', async () => {
  const { server } = await listeningServer();
  const answer = await fetch(`${server.url}/agents`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"agentId":"ann"}',
  });
  const { data } = (await answer.json()) as { data: { connectionKit: { apiBase: string } } };
  expect(data.connectionKit.apiBase).toBe(server.url);
});

it.each(['0.0.0.0', '::', '192.0.2.1', 'example.com', '127.0.0.1.example.com'])(
  'refuses plain http on %s, before it has tried',
  async (host) => {
    const dock = await testDock();
    await expect(serve({ dock, host, port: 0 })).rejects.toMatchObject({
      code: 'E_LISTEN_INSECURE',
      message: `plain http on ${host} would show keys and messages to the network`,
      hint: expect.stringContaining('allowInsecure'),
      details: { host },
    });
  },
);

it.each(['127.0.0.1', 'localhost', '127.8.9.10'])('serves plain http on %s', async (host) => {
  const { server } = await listeningServer({ serve: { host } });
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
});

it('serves plain http on any address where that is allowed', async () => {
  const { port } = await listeningServer({ serve: { host: '0.0.0.0', allowInsecure: true } });
  expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
});

it('serves https with a certificate', async () => {
  const { port } = await listeningServer({ serve: { host: '0.0.0.0', tls: selfSigned() } });
  const [answer] = await once(
    get(`https://127.0.0.1:${port}/health`, { rejectUnauthorized: false }),
    'response',
  );
  expect(await json(answer)).toMatchObject({ status: 'ok' });
});

it('says that a port is taken, and what to do', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  onTestFinished(() => void other.close());
  const { port } = other.address() as { port: number };
  const dock = await testDock();
  await expect(serve({ dock, port })).rejects.toMatchObject({
    code: 'E_LISTEN_FAILED',
    message: expect.stringContaining(`port ${port} of 127.0.0.1`),
    hint: 'Another server listens there: stop it, or choose another port; 0 picks a free one.',
    details: { host: '127.0.0.1', port, code: 'EADDRINUSE' },
    cause: expect.objectContaining({ code: 'EADDRINUSE' }),
  });
});

it('says that a certificate is none', async () => {
  const dock = await testDock();
  const tls = { key: 'no key', cert: 'no certificate' };
  await expect(serve({ dock, port: 0, tls })).rejects.toMatchObject({
    code: 'E_LISTEN_FAILED',
    hint: 'Check the host, the port and the certificate.',
    cause: expect.any(Error),
  });
});

function selfSigned(): { key: Buffer; cert: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), 'tls-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  execFileSync(
    'openssl',
    ['req', '-x509', ...curve, '-keyout', key, '-out', cert, '-subj', '/CN=localhost'],
    {
      stdio: 'ignore',
    },
  );
  return { key: readFileSync(key), cert: readFileSync(cert) };
}
