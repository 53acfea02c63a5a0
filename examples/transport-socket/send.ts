import { randomBytes } from 'node:crypto';
import { ADDRESS } from './address.ts';
import { SocketTransport } from './transport.ts';

/** `node send.ts TO TEXT`: the transport alone, without a kernel. Prints the first answer; gives up after ten seconds. */
const [to = '', text = ''] = process.argv.slice(2);
const transport = new SocketTransport({ address: ADDRESS });
// Somebody new each time: a broker keeps an id for the key that it first came with.
const agentId = `you-${randomBytes(4).toString('hex')}`;
await transport.connect({ agentId, apiKey: randomBytes(24).toString('hex'), apiBaseUrl: 'local:' });
try {
  const { promise: answer, resolve } = Promise.withResolvers<string | undefined>();
  transport.subscribe(({ content }) => resolve(content));
  await transport.push(to, text, { idempotencyKey: agentId });
  setTimeout(resolve, 10_000, undefined).unref();
  const content = await answer;
  console.log(content ?? `no answer from ${to}`);
  process.exitCode = content === undefined ? 1 : 0;
} finally {
  await transport.disconnect();
}
