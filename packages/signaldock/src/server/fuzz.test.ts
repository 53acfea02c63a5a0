import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { errorEnvelopeSchema } from '@cleocode/contracts';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Dock } from '../dock.ts';
import { brokenRequests, type HostileRequest, hostileRequests } from './hostile.test.kit.ts';
import { RawClient } from './raw.test.kit.ts';
import { listeningServer, testServer } from './server.test.kit.ts';

/** Given again, it finds again what it has found. */
const SEED = Number(process.env.FUZZ_SEED ?? 4_000);
const REQUESTS = 4_000;
const RAW_REQUESTS = 1_000;
const BATCH = 50;
/** What all of it may leave behind in memory, once everything has been used. */
const MAX_GROWTH = 16 * 1024 * 1024;
const TIMEOUT_MS = 60_000;

it(`answers ${REQUESTS} hostile requests, and fails at none (seed ${SEED})`, {
  timeout: TIMEOUT_MS,
}, async () => {
  const { logger, errors } = errorLog();
  const { app, dock, ask } = await testServer({ server: { logger } });
  const keys = new Map<string, string>();
  await renew(dock, keys);
  const { id: group } = await dock.createConversation('ann', { participants: ['bob'], visibility: 'shared' });
  const { id: message } = await dock.send('bob', 'ann', { content: 'The quick brown fox' });
  const statuses = new Set<number>();

  const send = async ({ as, ...request }: HostileRequest) => {
    const credentials = as && { authorization: `Bearer ${keys.get(as) ?? 'none'}`, 'x-agent-id': as };
    const answer = await app.inject({
      ...request,
      method: request.method as 'GET',
      headers: { ...request.headers, ...credentials },
      // A stream of events has no end.
      payloadAsStream: true,
    });
    const { statusCode } = answer;
    statuses.add(statusCode);
    expect(statusCode, `${request.method} ${request.url}`).toBeLessThan(500);
    const stream = answer.stream();
    if (statusCode < 400 || request.method === 'HEAD') stream.destroy();
    else errorEnvelopeSchema.parse(JSON.parse(Buffer.concat(await stream.toArray()).toString()));
  };
  await inBatches(REQUESTS, hostileRequests(['ann', 'bob', group, message]), async (requests) => {
    await Promise.all(requests.map(send));
    await renew(dock, keys);
  });
  expect(errors).toEqual([]);
  expect((await ask('GET /health')).status).toBe(200);
  // It has come past the door.
  expect([...statuses].sort()).toEqual([200, 201, 400, 401, 403, 404, 405, 409, 413, 414, 415]);
});

it(`survives ${RAW_REQUESTS} broken ones on the wire (seed ${SEED})`, { timeout: TIMEOUT_MS }, async () => {
  const { logger, errors } = errorLog();
  const { port, as, server } = await listeningServer({ agents: ['ann', 'bob'], serve: { logger } });
  const statuses = new Set<number>();

  const send = async (text: string) => {
    const client = new RawClient(port).send(text);
    // Nothing more will come, so the server has no reason to keep the connection.
    client.socket.end();
    await client.closed;
    for (const { status } of client.answers) {
      statuses.add(status);
      expect(status, text).toBeLessThan(500);
    }
  };
  await inBatches(RAW_REQUESTS, brokenRequests(validRequests(as('ann'))), (requests) =>
    Promise.all(requests.map(send)),
  );
  expect(errors).toEqual([]);
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
  for (const status of [200, 400, 401, 404, 431]) expect(statuses).toContain(status);
});

/** Runs `work` on that many values, and sees that it leaves no memory behind. */
async function inBatches<T>(count: number, values: fc.Arbitrary<T>, work: (batch: T[]) => Promise<unknown>) {
  const batches = fc.array(values, { minLength: BATCH, maxLength: BATCH, size: 'max' });
  const run = (share: number, seed: number) =>
    fc.assert(
      fc.asyncProperty(batches, async (batch) => void (await work(batch))),
      { seed, numRuns: Math.ceil((count * share) / BATCH), endOnFailure: true },
    );
  // What is made once, such as statements and compiled code, is there after the first quarter.
  await run(0.25, SEED);
  const before = memoryInUse();
  await run(0.75, SEED + 1);
  expect(memoryInUse() - before).toBeLessThan(MAX_GROWTH);
}

function memoryInUse(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Hostile requests remove agents and rotate keys; the next ones should get past the door again. */
async function renew(dock: Dock, keys: Map<string, string>): Promise<void> {
  for (const agentId of ['ann', 'bob']) {
    const isThere = await dock.authenticate(agentId, keys.get(agentId) ?? '').then(
      () => true,
      () => false,
    );
    if (isThere) continue;
    const exists = await dock.getAgent(agentId).catch(() => undefined);
    const { apiKey } = await (exists ? dock.rotateKey(agentId) : dock.registerAgent({ agentId }));
    keys.set(agentId, apiKey);
  }
}

function validRequests(headers: Record<string, string>): string[] {
  const head = `Host: x\r\nAuthorization: ${headers.authorization}\r\nX-Agent-Id: ${headers['x-agent-id']}\r\n`;
  const body = JSON.stringify({ toAgentId: 'bob', content: 'Hello', metadata: { mentions: ['bob'] } });
  const type = 'Content-Type: application/json\r\n';
  return [
    'GET /health HTTP/1.1\r\nHost: x\r\n\r\n',
    `GET /messages/peek?limit=5&after_seq=0 HTTP/1.1\r\n${head}\r\n`,
    `GET /messages/stream HTTP/1.1\r\n${head}Last-Event-ID: x\r\n\r\n`,
    `POST /messages HTTP/1.1\r\n${head}${type}Content-Length: ${body.length}\r\n\r\n${body}`,
    `POST /messages HTTP/1.1\r\n${head}${type}Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    `PUT /agents/ann/status HTTP/1.1\r\n${head}${type}Content-Length: 19\r\n\r\n{"status":"online"}`,
  ];
}

function errorLog() {
  const errors: unknown[] = [];
  return { errors, logger: { debug() {}, info() {}, error: (...line: unknown[]) => void errors.push(line) } };
}
