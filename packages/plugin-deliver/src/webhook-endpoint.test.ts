import type { LookupAddress } from 'node:dns';
import { describe, expect, it, onTestFinished } from 'vitest';
import { receiver } from './receiver.test.kit.ts';
import { type Resolve, WebhookEndpoint } from './webhook-endpoint.ts';

const REQUEST = { headers: {}, body: '{}' };
const bounds = { timeoutMs: 10_000 };
/** Never connected to: beside a private one it is refused with it. */
const PUBLIC = { address: '8.8.8.8', family: 4 };

/** A resolver that answers each question with the next addresses, the last ones again and again. */
function resolver(...answers: (LookupAddress[] | Error)[]): Resolve & { asked: string[] } {
  const asked: string[] = [];
  const resolve: Resolve = (hostname, _, callback) => {
    asked.push(hostname);
    const answer = answers[Math.min(asked.length, answers.length) - 1]!;
    setImmediate(() => (answer instanceof Error ? callback(answer, []) : callback(null, answer)));
  };
  return Object.assign(resolve, { asked });
}

function endpoint(url: string, resolve: Resolve, allowPrivate = false): WebhookEndpoint {
  const made = new WebhookEndpoint({ url: new URL(url), allowPrivate, readsReplies: false, resolve });
  onTestFinished(() => made.close());
  return made;
}

describe('a name', () => {
  it.each(['127.0.0.1', '10.1.2.3', '169.254.169.254', '::1', 'fd00:ec2::254', '::ffff:127.0.0.1'])(
    'that leads to %s is refused when it is connected to, and nothing is sent',
    async (address) => {
      const server = await receiver();
      const { port } = new URL(server.url);
      const family = address.includes(':') ? 6 : 4;
      const resolve = resolver([{ address, family }]);
      const hook = endpoint(`http://hooks.example.com:${port}/secret-path`, resolve);
      await expect(hook.post(REQUEST, bounds)).rejects.toMatchObject({
        code: 'E_WEBHOOK_PRIVATE',
        message: `webhook: hooks.example.com leads to ${address}, which is not public`,
        hint: expect.stringContaining('allowPrivate'),
        details: { hostname: 'hooks.example.com', address },
      });
      expect(server.connections).toBe(0);
    },
  );

  it('with one private address among public ones is refused', async () => {
    const server = await receiver();
    const { port } = new URL(server.url);
    const resolve = resolver([PUBLIC, { address: '127.0.0.1', family: 4 }]);
    await expect(
      endpoint(`http://hooks.example.com:${port}/`, resolve).post(REQUEST, bounds),
    ).rejects.toMatchObject({
      code: 'E_WEBHOOK_PRIVATE',
    });
    expect(server.connections).toBe(0);
  });

  it('is looked up and looked at anew for each connection', async () => {
    const unknown = Object.assign(new Error('getaddrinfo EAI_AGAIN'), { code: 'EAI_AGAIN' });
    const resolve = resolver(unknown, [{ address: '127.0.0.1', family: 4 }]);
    const hook = endpoint('https://hooks.example.com/', resolve);
    await expect(hook.post(REQUEST, bounds)).rejects.toMatchObject({ code: 'E_WEBHOOK_UNREACHABLE' });
    await expect(hook.post(REQUEST, bounds)).rejects.toMatchObject({ code: 'E_WEBHOOK_PRIVATE' });
    expect(resolve.asked).toEqual(['hooks.example.com', 'hooks.example.com']);
  });

  it('may lead inside where that is allowed', async () => {
    const server = await receiver();
    const { port } = new URL(server.url);
    const resolve = resolver(new Error('the resolver of the system is asked instead'));
    const hook = endpoint(`http://localhost:${port}/hook`, resolve, true);
    expect(await hook.post(REQUEST, bounds)).toMatchObject({ status: 200 });
    expect(resolve.asked).toEqual([]);
  });

  it('that nobody knows is named with the reason', async () => {
    const unknown = Object.assign(new Error('getaddrinfo ENOTFOUND hooks.example.com'), {
      code: 'ENOTFOUND',
    });
    await expect(
      endpoint('https://hooks.example.com/', resolver(unknown)).post(REQUEST, bounds),
    ).rejects.toMatchObject({
      code: 'E_WEBHOOK_UNREACHABLE',
      message: expect.stringContaining('ENOTFOUND'),
      cause: { code: 'ENOTFOUND' },
    });
  });
});
