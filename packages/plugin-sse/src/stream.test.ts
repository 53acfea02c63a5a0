import { type CleoError, Secret } from '@cleocode/contracts';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Identity } from './identity.ts';
import { Stream, type StreamListener, type StreamTarget } from './stream.ts';
import { type Answer, STREAM, stream, stubServer, until } from './stub.test.kit.ts';

/** A key that changes, and a record of what was refused. */
class FakeIdentity implements Identity {
  readonly agentId = 'bob';
  readonly refusals: unknown[] = [];
  key = 'sk_test_first';
  /** Answered one after another, then that the key is not refused. */
  waits: number[] = [];
  retryInMs = () => this.waits.shift();
  apiKey = () => new Secret(this.key);
  /** What its holder puts in place of the key when that is refused. */
  other: string | undefined;
  refused = async (refused: Secret, error: unknown) => {
    this.refusals.push(error);
    this.key = this.other ?? this.key;
    return this.key !== refused.reveal();
  };
  onChange = () => () => {};
}

async function run(
  answer: Answer,
  target: Partial<StreamTarget> = {},
  { path = '/messages/stream', waits = [] as number[] } = {},
) {
  const server = await stubServer((response, request, n) => {
    if (request.url === '/health') response.writeHead(404).end();
    else answer(response, request, n);
  });
  const identity = new FakeIdentity();
  identity.waits = waits;
  const downs: { error: CleoError; retryInMs: number }[] = [];
  const happened: string[] = [];
  const listener: StreamListener = {
    resumeId: () => undefined,
    onUp: () => happened.push('up'),
    onAlive: () => {},
    onQuiet: () => happened.push('quiet'),
    onEvent: ({ data }) => happened.push(data),
    onDown: (error, retryInMs) => {
      happened.push(error.code);
      downs.push({ error, retryInMs });
    },
  };
  const made = new Stream(
    {
      apiBase: new URL(server.url),
      url: new URL(path, server.url),
      identity,
      authInQuery: false,
      ca: undefined,
      connectTimeoutMs: 2_000,
      watchdogMs: 60_000,
      backend: undefined,
      ...target,
    },
    listener,
    () => 0, // The shortest waits.
  );
  const stop = new AbortController();
  const ended = made.run(stop.signal);
  const end = async () => {
    stop.abort();
    await ended;
  };
  onTestFinished(end);
  /** When the stream was asked for, from the first time on. */
  const times = () =>
    server.requests.filter((request) => request.path === path).map(({ at }) => at - server.requests[0]!.at);
  return { server, identity, made, downs, happened, times, end };
}

const ok: Answer = (response) => stream(response, 'data: hi\n\n');

describe('a stream beside a transport', () => {
  it('is asked for when the transport would ask as well, and says when the backend is heard', async () => {
    const said: string[] = [];
    const waits = [60, 30, 0, 40, 0];
    const backend = {
      knock: () => {
        said.push('knock');
        return waits.shift() ?? 0;
      },
      heard: () => void said.push('heard'),
    };
    const { server, happened, downs } = await run(
      (response, request, n) => {
        said.push('asked');
        if (n === 1) response.destroy();
        else ok(response, request, n);
      },
      { backend },
    );
    await until(() => happened.includes('hi'));
    expect(said).toEqual(['knock', 'knock', 'knock', 'asked', 'knock', 'knock', 'asked', 'heard']);
    expect(happened).toEqual(['E_TRANSPORT_UNREACHABLE', 'up', 'hi']);
    expect(server.requests[1]!.at - server.requests[0]!.at).toBeGreaterThanOrEqual(downs[0]!.retryInMs + 35);
  });

  it('ends while it waits for its turn', async () => {
    const { server, end } = await run(ok, { backend: { knock: () => Number.POSITIVE_INFINITY } });
    await end();
    expect(server.requests).toEqual([]);
  });
});

describe('a stream that ends', () => {
  it('is opened again, and comes back', async () => {
    const { happened, downs, times } = await run((response, request, n) => {
      if (n === 1) response.writeHead(200, STREAM).end('data: first\n\n');
      else if (n === 2) response.destroy();
      else ok(response, request, n);
    });
    await until(() => happened.includes('hi'));
    expect(happened).toEqual(['up', 'first', 'E_STREAM_ENDED', 'E_TRANSPORT_UNREACHABLE', 'up', 'hi']);
    expect(downs.map(({ retryInMs }) => retryInMs)).toEqual([250, 500]);
    expect(times()[1]).toBeGreaterThanOrEqual(245);
    expect(times()[2]! - times()[1]!).toBeGreaterThanOrEqual(495);
  });

  it.each([500, 502, 503, 504, 429, 400])('or is refused with %i is asked for again', async (status) => {
    const { happened } = await run((response, request, n) => {
      if (n === 1) response.writeHead(status).end();
      else ok(response, request, n);
    });
    await until(() => happened.includes('hi'));
  });

  it("or is a proxy's page is asked for again", async () => {
    const { happened } = await run((response, request, n) => {
      if (n === 1) response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Log in</h1>');
      else ok(response, request, n);
    });
    await until(() => happened.includes('hi'));
    expect(happened[0]).toBe('E_TRANSPORT_INVALID');
  });

  it.each([
    ['seconds', () => '1', 1_000],
    ['a date', () => new Date(Date.now() + 2_000).toUTCString(), 1_000],
  ])('is not asked for before the time that Retry-After names, in %s', async (_, header, leastMs) => {
    const { times } = await run((response, request, n) => {
      if (n === 1) response.writeHead(429, { 'retry-after': header() }).end();
      else ok(response, request, n);
    });
    await until(() => times().length === 2);
    expect(times()[1]).toBeGreaterThanOrEqual(leastMs - 5);
  });

  it('is opened after the time that its `retry:` names', async () => {
    const { happened, downs } = await run((response) =>
      response.writeHead(200, STREAM).end('retry: 4000\n\ndata: x\n\n'),
    );
    await until(() => downs.length === 1);
    expect([happened, downs[0]?.retryInMs]).toEqual([['up', 'x', 'E_STREAM_ENDED'], 2_000]);
  });

  it('is opened at once when it is told to', async () => {
    const { made, happened, times } = await run(ok);
    await until(() => made.up);
    made.restart(Object.assign(new Error('x'), { code: 'E_STREAM_SILENT' }) as unknown as CleoError);
    await until(() => times().length === 2 && made.up);
    expect(happened.slice(0, 2)).toEqual(['up', 'hi']);
  });
});

describe('a key that is refused', () => {
  it.each([401, 403])('with %i is reported, and tried again in two seconds, then in six', async (status) => {
    const { downs, identity } = await run((response) => response.writeHead(status).end());
    await until(() => downs.length === 1);
    expect([downs[0]?.retryInMs, identity.refusals]).toEqual([2_000, [downs[0]?.error]]);
  });

  it('is tried at once when it has changed meanwhile, and nobody is blamed', async () => {
    const { identity, happened, server } = await run((response, request, n) => {
      if (n > 1) return ok(response, request, n);
      identity.key = 'sk_test_second';
      response.writeHead(401).end();
    });
    await until(() => happened.includes('hi'));
    expect(identity.refusals).toEqual([]);
    expect(server.requests[1]?.headers.authorization).toBe('Bearer sk_test_second');
    expect(server.requests[1]!.at - server.requests[0]!.at).toBeLessThan(3_000);
  });

  it('is tried at once with another that its holder has', async () => {
    const { identity, happened, server, downs } = await run((response, request, n) => {
      identity.other = 'sk_test_second';
      if (n > 1) ok(response, request, n);
      else response.writeHead(401).end();
    });
    await until(() => happened.includes('hi'));
    expect(downs.map(({ retryInMs }) => retryInMs)).toEqual([0]);
    expect(server.requests[1]?.headers.authorization).toBe('Bearer sk_test_second');
  });

  it('and another one, and the next, are not tried without a pause', async () => {
    let n = 0;
    const { identity, downs } = await run((response) => {
      n += 1;
      identity.other = `sk_test_${n}`;
      response.writeHead(401).end();
    });
    await until(() => downs.length === 3);
    expect(downs.map(({ retryInMs }) => retryInMs)).toEqual([0, 2_000, 6_000]);
  });

  it('is waited for no longer than the stream', async () => {
    const { identity, end } = await run((response) => response.writeHead(401).end());
    const asked = Promise.withResolvers<void>();
    identity.refused = () => {
      asked.resolve();
      return new Promise(() => {});
    };
    await asked.promise;
    await end();
  });

  it.each([401, 403, 204, 404])(
    'or a stream that is not there (%i) is tried at once with a new key',
    async (status) => {
      const { identity, made, happened, downs } = await run((response, request, n) => {
        if (n > 1) ok(response, request, n);
        else response.writeHead(status).end();
      });
      await until(() => downs.length === 1);
      made.keyChanged();
      identity.key = 'sk_test_second';
      made.keyChanged();
      await until(() => happened.includes('hi'));
    },
  );

  it('is left for others to try, who ask more often, until they have been told that it is taken', async () => {
    const began = performance.now();
    // It may be tried in 100 ms; then it was, and refused; then it was taken.
    const { identity, times } = await run(ok, {}, { waits: [100, 200] });
    await until(() => times().length === 1);
    expect(identity.waits).toEqual([]);
    expect(performance.now() - began).toBeGreaterThanOrEqual(2 * 1_000 + 300);
  });

  it('is tried when nobody else does', async () => {
    const { identity, times } = await run(ok, {}, { waits: [0, 0, 5_000] });
    await until(() => times().length === 1);
    expect(identity.waits).toEqual([5_000]);
  });

  it('is tried as soon as somebody was told that it is taken', async () => {
    const { made, identity, times } = await run(ok, {}, { waits: [60_000] });
    await until(() => identity.waits.length === 0);
    made.keyChanged();
    await until(() => times().length === 1);
  });

  it('does not cut short a wait that the server asked for', async () => {
    const { identity, made, downs, times } = await run((response) =>
      response.writeHead(429, { 'retry-after': '1' }).end(),
    );
    await until(() => downs.length === 1);
    identity.key = 'sk_test_second';
    made.keyChanged();
    await until(() => times().length === 2);
    expect(times()[1]).toBeGreaterThanOrEqual(995);
  });

  it('is outdated once there is another', async () => {
    const { identity, made } = await run(ok);
    await until(() => made.up);
    expect(made.outdated).toBe(false);
    identity.key = 'sk_test_second';
    expect(made.outdated).toBe(true);
  });

  it('whose holder fails ends nothing', async () => {
    const { identity, downs } = await run((response) => response.writeHead(401).end());
    identity.refused = () => {
      throw new Error('no holder');
    };
    await until(() => downs.length === 1);
    identity.apiKey = () => {
      throw new Error('no key');
    };
    await until(() => downs.length === 2);
    expect(downs[1]?.error).toMatchObject({
      code: 'E_TRANSPORT_FAILED',
      message: expect.stringContaining('no key'),
    });
  });
});

describe('the time until silence', () => {
  it('is two and a half heartbeats of the server, which is asked for it without the key', async () => {
    const server = await stubServer((response, request) => {
      if (request.url !== '/v1/health') return stream(response);
      // Taken for a second, which is the least.
      response.end(JSON.stringify({ status: 'ok', features: { streamHeartbeatMs: 1 } }));
    });
    const downs: CleoError[] = [];
    const identity = new FakeIdentity();
    const made = new Stream(
      {
        apiBase: new URL(`${server.url}/v1`),
        url: new URL(`${server.url}/v1/messages/stream`),
        identity,
        authInQuery: false,
        ca: undefined,
        connectTimeoutMs: 2_000,
        watchdogMs: undefined,
        backend: undefined,
      },
      {
        resumeId: () => undefined,
        onUp() {},
        onAlive() {},
        onQuiet() {},
        onEvent() {},
        onDown: (error) => downs.push(error),
      },
    );
    const stop = new AbortController();
    const ended = made.run(stop.signal);
    await until(() => downs.length > 0);
    stop.abort();
    await ended;
    expect(downs[0]).toMatchObject({ code: 'E_STREAM_SILENT', message: expect.stringContaining('2500 ms') });
    const [asked] = server.requests.filter(({ path }) => path === '/v1/health');
    expect(asked?.headers).not.toHaveProperty('authorization');
  });
});

it('leaves nothing behind, whatever it was doing', async () => {
  for (const answer of [() => {}, ok, (response) => response.writeHead(503).end()] as Answer[]) {
    const { server, end } = await run(answer, { watchdogMs: undefined });
    await until(() => server.requests.length > 0);
    await end();
    await until(async () => (await server.open()) === 0);
  }
});
