import { MAX_TIMER_MS, Secret, services } from '@cleocode/contracts';
import { definePlugin, packageVersion } from '@cleocode/kernel/define';
import { z } from 'zod';
import { replyIn, throwUnlessTaken } from './webhook-answer.ts';
import { WebhookEndpoint } from './webhook-endpoint.ts';
import { RESERVED_HEADER, webhookRequest } from './webhook-request.ts';
import { webhookUrlFault } from './webhook-url.ts';

/** For sending the reply, and what is left of a body that nobody reads. */
const AFTERWARDS_MS = 60_000;
const SENSITIVE_HEADER = /auth|cookie|key|pass|secret|sign|token/i;

const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e]*$/;

const options = z
  .strictObject({
    /** Where each message is posted to. */
    url: z.string(),
    /** Signs each request. */
    secret: z.string().min(1).optional(),
    /** The environment variable that holds the secret. */
    secretEnv: z.string().min(1).optional(),
    /** Milliseconds a request may take, its redirects and its answer included. */
    timeoutMs: z.int().positive().max(MAX_TIMER_MS).default(30_000),
    /** Allows this machine and private networks as the target. */
    allowPrivate: z.boolean().default(false),
    /** Allows plain http to another machine. Only where nobody else can listen on the way. */
    allowInsecure: z.boolean().default(false),
    /** Sends the answer back, when it is text or JSON that holds a reply. */
    reply: z.boolean().default(false),
    /** Added to each request. */
    headers: z.record(z.string(), z.string()).default({}),
  })
  .check(({ value, issues }) => {
    const fault = (path: string, message: string) =>
      issues.push({ code: 'custom', path: [path], message, input: undefined });
    const wrongUrl = webhookUrlFault(value.url, value);
    if (wrongUrl) fault('url', wrongUrl);
    const { secret, secretEnv } = value;
    if (secret !== undefined && secretEnv !== undefined) fault('secretEnv', 'there is a secret already');
    else if (secretEnv !== undefined && !process.env[secretEnv])
      fault('secretEnv', `the environment has no ${secretEnv}`);
    for (const [name, text] of Object.entries(value.headers)) {
      if (!HEADER_NAME.test(name)) fault('headers', `${JSON.stringify(name)} is not the name of a header`);
      else if (RESERVED_HEADER.test(name)) fault('headers', `${name} is not for you to set`);
      else if (!HEADER_VALUE.test(text)) fault('headers', `the value of ${name} cannot stand in a header`);
    }
  });

/** Options of `webhook`. `secret` and `secretEnv` are not given together. */
export type WebhookOptions = z.input<typeof options>;

/**
 * Posts each message to a URL. 2xx means done; 4xx, other than 408, 409, 425 and 429, failed for good; any other status, a
 * failing connection and the timeout mean: try again later, not before the answer's `Retry-After`.
 */
const webhook = definePlugin({
  name: '@cleocode/plugin-deliver/webhook',
  version: packageVersion(import.meta.url),
  apiVersion: 1,
  options,
  requires: { agent: services.agent },
  setup(ctx, settings, { agent }) {
    const { url, timeoutMs, allowPrivate, reply } = settings;
    const headers = ownHeaders(settings.headers);
    const secret = secretOf(settings);
    const endpoint = new WebhookEndpoint({ url: new URL(url), allowPrivate, readsReplies: reply });
    ctx.on(
      'message',
      async (delivery) => {
        const { message, signal } = delivery;
        const request = webhookRequest(delivery, agent.id, secret);
        const answer = await endpoint.post(
          { ...request, headers: { ...request.headers, ...headers() } },
          { timeoutMs, signal },
        );
        throwUnlessTaken(answer);
        const { reply: text, problem } = replyIn(answer);
        const about = { messageId: message.id };
        if (problem) ctx.logger.warn(`the answer of ${answer.origin} is no reply: ${problem}`, about);
        else if (answer.truncated)
          ctx.logger.warn('the answer is longer than a message may be: only its first 1 MiB is sent', about);
        if (text !== undefined) await delivery.reply(text);
      },
      // Later than the request's own deadline, so that the right one is blamed.
      { timeoutMs: Math.min(MAX_TIMER_MS, timeoutMs + AFTERWARDS_MS) },
    );
    ctx.on('stop', () => endpoint.close());
  },
});

export default webhook;

function secretOf({ secret, secretEnv }: Pick<WebhookOptions, 'secret' | 'secretEnv'>): Secret | undefined {
  const value = secretEnv === undefined ? secret : process.env[secretEnv];
  return value === undefined ? undefined : new Secret(value);
}

/** Headers of the user. Those that look like a credential are known as secrets as long as they are in use. */
function ownHeaders(given: Record<string, string>): () => Record<string, string> {
  const headers = Object.entries(given).map(([name, value]) => {
    // What follows the scheme of an authorization is the credential.
    const [scheme] = /^\w+\s+/.exec(value) ?? [''];
    const secret = SENSITIVE_HEADER.test(name) ? new Secret(value.slice(scheme.length)) : undefined;
    return [name.toLowerCase(), () => (secret ? scheme + secret.reveal() : value)] as const;
  });
  return () => Object.fromEntries(headers.map(([name, value]) => [name, value()]));
}
