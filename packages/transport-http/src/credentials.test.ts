import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { type Agent, type AuthStatus, CleoError, type Credential, Secret } from '@cleocode/contracts';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { connected, testServer } from './harness.test.kit.ts';
import { HttpTransport } from './http-transport.ts';
import { ALL_FEATURES, stub } from './stub.test.kit.ts';

const KEY = `sk_live_${'5e'.repeat(32)}`;

/** An agent whose key a test changes. */
function liveAgent(apiKey: string, apiBaseUrl: string, more: Partial<Agent> = {}) {
  const current = { apiKey };
  const reportUnauthorized = vi.fn();
  const agent: Agent = {
    id: 'alice',
    credential: (): Credential => ({
      agentId: 'alice',
      apiKey: new Secret(current.apiKey),
      apiBaseUrl,
      transportType: 'http',
      transportConfig: {},
    }),
    onChange: () => () => {},
    reportUnauthorized,
    ...more,
  };
  return { agent, current, reportUnauthorized };
}

async function connectedAs(agent: Agent): Promise<HttpTransport> {
  const transport = new HttpTransport();
  onTestFinished(() => transport.disconnect());
  const { apiBaseUrl } = agent.credential();
  await transport.connect({ agentId: agent.id, apiBaseUrl, agent });
  return transport;
}

describe('a live credential', () => {
  it('is asked for each request, so a new key is used at once', async () => {
    const server = await stub();
    const { agent, current } = liveAgent('sk_test_one', server.url);
    const transport = await connectedAs(agent);
    await transport.poll();
    current.apiKey = 'sk_test_two';
    await transport.poll();
    expect(server.received.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer sk_test_one',
      'Bearer sk_test_two',
    ]);
  });

  it('hears that its key is refused, and the caller too', async () => {
    const server = await stub(() => 401);
    const { agent, reportUnauthorized } = liveAgent(KEY, server.url);
    const error = await (await connectedAs(agent)).poll().catch((error) => error);
    expect(error).toMatchObject({ code: 'E_AUTH_UNAUTHORIZED', retryable: false });
    expect(reportUnauthorized.mock.calls).toEqual([[error]]);
    expect(server.received).toHaveLength(1);
  });

  it('that changed while a request was under way is no refused one: the request is sent again with the new key', async () => {
    const server = await stub();
    const { agent, current, reportUnauthorized } = liveAgent('sk_test_one', server.url);
    server.answer = ({ headers }) => {
      if (headers.authorization === 'Bearer sk_test_two') return { messages: [] };
      current.apiKey = 'sk_test_two';
      return 401;
    };
    expect(await (await connectedAs(agent)).poll()).toEqual([]);
    expect(reportUnauthorized).not.toHaveBeenCalled();
  });

  it('that changes with each refusal is not tried for ever', async () => {
    const server = await stub();
    const { agent, current } = liveAgent('sk_test_0', server.url);
    server.answer = () => {
      current.apiKey = `sk_test_${server.received.length}`;
      return 401;
    };
    await expect((await connectedAs(agent)).poll()).rejects.toMatchObject({ code: 'E_AUTH_UNAUTHORIZED' });
    expect(server.received).toHaveLength(2);
  });

  it('is rotated without a call that fails, while both keys work', async () => {
    const { url, keys } = await testServer(['alice']);
    const { agent, current, reportUnauthorized } = liveAgent(keys.alice!, url);
    const transport = await connectedAs(agent);
    let failed: unknown;
    let over = false;
    const polling = (async () => {
      while (!over) await transport.poll();
    })().catch((error) => {
      failed = error;
    });
    for (let n = 0; n < 5; n += 1) {
      current.apiKey = (await transport.rotateKey({ overlapSeconds: 60 })).apiKey;
      await transport.poll();
    }
    over = true;
    await polling;
    expect(failed).toBeUndefined();
    expect(reportUnauthorized).not.toHaveBeenCalled();
  });
});

describe('a holder that can be asked for another key', () => {
  /** Refuses every key but `sk_test_good`; sends and acks included. */
  async function strictServer() {
    const server = await stub();
    server.answer = ({ headers }) =>
      headers.authorization === 'Bearer sk_test_good' ? { id: 'm', messages: [] } : 401;
    return server;
  }

  it('is asked once for each refused request, which is sent again with what it has found', async () => {
    const server = await strictServer();
    const refresh = vi.fn(async () => {
      current.apiKey = 'sk_test_good';
      return true;
    });
    const { agent, current, reportUnauthorized } = liveAgent('sk_test_old', server.url, { refresh });
    const transport = await connectedAs(agent);
    for (const call of [
      () => transport.poll(),
      () => transport.push('bob', 'hi'),
      () => transport.ack(['m']),
      () => transport.heartbeat({ status: 'online' }),
    ]) {
      current.apiKey = 'sk_test_old';
      const before = server.received.length;
      await call();
      const keys = server.received.slice(before).map(({ headers }) => headers.authorization);
      expect(keys).toEqual(['Bearer sk_test_old', 'Bearer sk_test_good']);
    }
    expect(refresh).toHaveBeenCalledTimes(4);
    expect(refresh).toHaveBeenCalledWith(
      expect.objectContaining({ reveal: expect.any(Function) }),
      expect.objectContaining({ code: 'E_AUTH_UNAUTHORIZED' }),
    );
    expect(reportUnauthorized).not.toHaveBeenCalled();
  });

  it('hears when what it has found is refused too, and that is the end of it', async () => {
    const server = await strictServer();
    const refused: string[] = [];
    const { agent, current } = liveAgent('sk_test_0', server.url, {
      async refresh(key) {
        refused.push(key.reveal());
        current.apiKey = `sk_test_${refused.length}`;
        return true;
      },
    });
    await expect((await connectedAs(agent)).poll()).rejects.toMatchObject({ code: 'E_AUTH_UNAUTHORIZED' });
    expect(refused).toEqual(['sk_test_0', 'sk_test_1']);
    expect(server.received).toHaveLength(2);
  });

  it('hears which key was taken', async () => {
    const server = await strictServer();
    const reportAccepted = vi.fn<NonNullable<Agent['reportAccepted']>>();
    const { agent } = liveAgent('sk_test_good', server.url, { reportAccepted });
    await (await connectedAs(agent)).poll();
    expect(reportAccepted.mock.calls.map(([key]) => key.reveal())).toEqual(['sk_test_good']);
  });

  it('that knows its key to be refused keeps requests from being sent until it may be tried', async () => {
    const server = await strictServer();
    const status: AuthStatus = { state: 'failed', retryInMs: 20_000 };
    const refresh = vi.fn(async () => false);
    const { agent, reportUnauthorized } = liveAgent('sk_test_old', server.url, {
      auth: () => status,
      refresh,
    });
    const transport = await connectedAs(agent);
    await expect(transport.poll()).rejects.toMatchObject({
      code: 'E_AUTH_UNAUTHORIZED',
      message: 'the backend refused the key of "alice"; it is tried again in 20 s',
      hint: expect.stringContaining('cleo agent register alice'),
      // Another key may be stored at any moment, and this costs nothing.
      retryAfterMs: 3_000,
      details: { local: true },
    });
    status.retryInMs = 1_500;
    await expect(transport.poll()).rejects.toMatchObject({ retryAfterMs: 1_500 });
    expect(server.received).toEqual([]);
    status.retryInMs = 0;
    const tried = await Promise.allSettled(Array.from({ length: 20 }, () => transport.poll()));
    expect(tried.every(({ status }) => status === 'rejected')).toBe(true);
    expect(server.received).toHaveLength(1);
    expect(refresh).toHaveBeenCalledTimes(1);
    expect(reportUnauthorized).not.toHaveBeenCalled();
  });

  it('lets another key be verified meanwhile, whose refusal says nothing of its own', async () => {
    const server = await strictServer();
    const refresh = vi.fn(async () => false);
    const { agent } = liveAgent('sk_test_old', server.url, {
      auth: () => ({ state: 'failed', retryInMs: 20_000 }),
      refresh,
    });
    const transport = await connectedAs(agent);
    await transport.verifyKey('sk_test_good');
    await expect(transport.verifyKey('sk_test_bad')).rejects.toMatchObject({ code: 'E_AUTH_UNAUTHORIZED' });
    expect(server.received.map(({ method, path, headers }) => [method, path, headers.authorization])).toEqual(
      [
        ['GET', '/agents/alice', 'Bearer sk_test_good'],
        ['GET', '/agents/alice', 'Bearer sk_test_bad'],
      ],
    );
    expect(refresh).not.toHaveBeenCalled();
  });
});

describe('a rotation', () => {
  it('asks a server that can for the old key to live until the new one is used', async () => {
    const server = await stub(() => ({
      apiKey: 'sk_test_new',
      previousKeyExpiresAt: '2026-01-01T00:00:00Z',
    }));
    const transport = await connected(server.url);
    const asked = async () => {
      await transport.rotateKey({ overlapSeconds: 60, keepUntilUsed: true, idempotencyKey: 'k' });
      return server.received.at(-1)!;
    };
    server.features = { ...ALL_FEATURES, rotationUntilUsed: true };
    const { body, headers } = await asked();
    expect(JSON.parse(body)).toEqual({ overlapSeconds: 60, keepUntilUsed: true });
    expect(headers['idempotency-key']).toBe('k');
  });

  it('is not asked for what the server does not announce', async () => {
    const server = await stub(() => ({ apiKey: 'sk_test_new' }));
    await (await connected(server.url)).rotateKey({ overlapSeconds: 60, keepUntilUsed: true });
    expect(JSON.parse(server.received[0]!.body)).toEqual({ overlapSeconds: 60 });
  });

  it('tells when the key was made, by the clock of the server', async () => {
    const server = await stub((_, response) => {
      response.setHeader('date', 'Thu, 01 Jan 2026 00:00:00 GMT');
      return { apiKey: 'sk_test_new' };
    });
    const transport = await connected(server.url);
    expect(transport.serverTime()).toBeUndefined();
    const { issuedAt } = await transport.rotateKey();
    expect(Date.parse(issuedAt!) - Date.parse('2026-01-01T00:00:00Z')).toBeLessThan(60_000);
    expect(transport.serverTime()! - Date.parse('2026-01-01T00:00:00Z')).toBeLessThan(60_000);
  });

  it('that fails is left to whoever rotates, who has an hour for it', async () => {
    const server = await stub(() => 500);
    await expect((await connected(server.url)).rotateKey()).rejects.toMatchObject({ retryable: true });
    expect(server.received).toHaveLength(1);
  });

  it('makes a key that is verified, on a real server', async () => {
    const { url, keys } = await testServer(['alice']);
    const transport = await connected(url, { apiKey: keys.alice! });
    const { apiKey } = await transport.rotateKey({ overlapSeconds: 60, keepUntilUsed: true });
    await transport.verifyKey(apiKey);
    await expect(transport.verifyKey(`${apiKey}0`)).rejects.toMatchObject({ code: 'E_AUTH_INVALID_TOKEN' });
    await transport.poll();
  });
});

describe('the key', () => {
  it('is in no error, whatever the server makes of it', async () => {
    const server = await stub();
    const transport = await connected(server.url, { apiKey: KEY, timeoutMs: 300, headersTimeoutMs: 100 });
    const echoes: [status: number, type: string, body: (echo: string) => string][] = [
      [
        400,
        'application/json',
        (echo) => JSON.stringify({ success: false, error: { code: 'E', message: echo } }),
      ],
      [
        403,
        'application/json',
        (echo) => JSON.stringify({ success: false, error: { code: 'E', message: 'm', details: { echo } } }),
      ],
      [404, 'text/html', (echo) => `<p>${echo}</p>`],
      [500, 'text/plain', (echo) => echo],
      [200, 'text/plain', (echo) => echo],
      [200, 'application/json', (echo) => `"${echo}`],
      [200, 'application/json', (echo) => JSON.stringify({ data: { messages: echo } })],
    ];
    const errors: unknown[] = [];
    for (const [status, type, body] of echoes) {
      server.answer = ({ headers }, response) =>
        void response.writeHead(status, { 'content-type': type }).end(body(JSON.stringify(headers)));
      errors.push(await transport.poll().catch((error) => error));
    }
    for (const [status, header] of [
      [200, 'content-type'],
      [307, 'location'],
    ] as const) {
      server.answer = ({ headers }, response) => {
        const echo = headers.authorization!.replace('Bearer ', 'https://');
        response.writeHead(status, { [header]: echo }).end('x');
      };
      errors.push(await transport.poll().catch((error) => error));
    }
    server.answer = (_, response) => void response.destroy();
    errors.push(await transport.poll().catch((error) => error));
    server.answer = () => undefined;
    errors.push(await transport.poll().catch((error) => error));
    for (const error of errors) {
      expect(CleoError.is(error)).toBe(true);
      const shown = inspect(error, { depth: 9, showHidden: true }) + JSON.stringify(error);
      expect(shown).not.toContain(KEY.slice(0, 12));
    }
    expect(server.received.every(({ path }) => !path.includes('sk_'))).toBe(true);
  });

  it('that no header can carry is refused, and not shown', async () => {
    const server = await stub();
    const error = await (await connected(server.url, { apiKey: `${KEY}\nx: y` }))
      .poll()
      .catch((error) => error);
    expect(error).toMatchObject({ code: 'E_VALIDATION_INVALID_FORMAT', retryable: false });
    expect(inspect(error, { depth: 9 })).not.toContain(KEY.slice(0, 12));
    expect(server.received).toEqual([]);
  });

  it('is not shown to a server whose certificate nobody vouches for; one that was given is trusted', async () => {
    const tls = selfSigned();
    const { url, keys } = await testServer(['alice'], { tls });
    const stranger = await connected(url, { apiKey: keys.alice! });
    await expect(stranger.poll()).rejects.toMatchObject({
      code: 'E_TRANSPORT_UNREACHABLE',
      hint: expect.stringContaining('`ca`'),
      details: { phase: 'connect', code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
    });
    const friend = await connected(url, { apiKey: keys.alice!, ca: tls.cert.toString() });
    expect(await friend.poll()).toEqual([]);
  });
});

function selfSigned(): { key: Buffer; cert: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), 'tls-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', ['req', '-x509', ...curve, '-keyout', key, '-out', cert, ...name], {
    stdio: 'ignore',
  });
  return { key: readFileSync(key), cert: readFileSync(cert) };
}
