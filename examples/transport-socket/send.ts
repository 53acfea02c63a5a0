import { randomBytes } from 'node:crypto';
import { errorText } from '@cleocode/contracts';
import { ADDRESS } from './address.ts';
import { SocketTransport } from './transport.ts';

const ANSWER_MS = 10_000;

/** `node send.ts TO TEXT`: the transport alone, without a kernel. Prints the first answer. */
const [to = '', text = ''] = process.argv.slice(2);
const transport = new SocketTransport({ address: ADDRESS });
// Somebody new each time: a broker keeps an id for the key that it first came with.
const agentId = `you-${randomBytes(4).toString('hex')}`;
try {
  await transport.connect({ agentId, apiKey: randomBytes(24).toString('hex'), apiBaseUrl: 'local:' });
  const { promise: answer, resolve } = Promise.withResolvers<string>();
  transport.subscribe(({ content }) => resolve(content));
  await transport.push(to, text, { idempotencyKey: agentId });
  const late = setTimeout(resolve, ANSWER_MS, `no answer from ${to} within ${ANSWER_MS / 1000} s`);
  console.log(await answer);
  clearTimeout(late);
} catch (error) {
  console.error(errorText(error));
  process.exitCode = 1;
} finally {
  await transport.disconnect();
}
