import { type LookupAddress, type LookupAllOptions, lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import {
  type CallBounds,
  CleoError,
  callWithin,
  errorText,
  MAX_CONTENT_BYTES,
  withDeadline,
} from '@cleocode/contracts';
import type { Dispatcher, Pool } from 'undici';
import { isPublicAddress } from './public-address.ts';
import type { WebhookAnswer } from './webhook-answer.ts';
import type { WebhookRequest } from './webhook-request.ts';

export interface EndpointOptions {
  /** One that `webhookUrlFault` finds nothing wrong with. */
  url: URL;
  allowPrivate: boolean;
  /** Whether the body of a success is read; that of a failure always is. */
  readsReplies: boolean;
  /** Asks for the addresses of a name. Default: the system's own resolver. */
  resolve?: Resolve;
}

export type Resolve = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: Error | null, addresses: LookupAddress[]) => void,
) => void;

type Response = Dispatcher.ResponseData;

const REDIRECTS = [301, 302, 303, 307, 308];
const MOST_REDIRECTS = 3;
const MAX_HEADER_BYTES = 16 * 1024;
/** Of the body of a failure. */
const EXCERPT_BYTES = 4 * 1024;
/** Of a body that nobody reads, and how long it is waited for: what comes within leaves its connection fit for the next. */
const REST_BYTES = 64 * 1024;
const REST_MS = 1_000;

/** Where messages are posted to: the connections to one origin. Loads the HTTP client with the first request. */
export class WebhookEndpoint {
  readonly #options: EndpointOptions;
  #pool: Promise<Pool> | undefined;

  constructor(options: EndpointOptions) {
    this.#options = options;
  }

  /**
   * Posts, follows redirects that keep method and body on this origin, and answers whatever the status is. Rejects with an
   * `E_WEBHOOK_…` error when there is no answer within the bounds, or with the reason of `bounds.signal`.
   */
  async post(request: WebhookRequest, bounds: CallBounds): Promise<WebhookAnswer> {
    const { origin } = this.#options.url;
    const { answer, rest } = await callWithin(
      bounds,
      () => timedOut(origin, bounds.timeoutMs),
      (signal) => this.#ask(request, signal),
    );
    // What was taken is done: not even the deadline of the request changes that.
    if (rest) await discard(rest);
    return answer;
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    await (await this.#pool)?.destroy();
  }

  async #ask(request: WebhookRequest, signal: AbortSignal) {
    const { url, readsReplies } = this.#options;
    try {
      const { statusCode: status, headers, body } = await this.#follow(request, signal);
      const answer = {
        origin: url.origin,
        status,
        header: (name: string) => [headers[name]].flat()[0]?.trim(),
        text: '',
        truncated: false,
      };
      const taken = status >= 200 && status < 300;
      if (taken && !readsReplies) return { answer, rest: body };
      return { answer: { ...answer, ...(await head(body, taken ? MAX_CONTENT_BYTES : EXCERPT_BYTES)) } };
    } catch (error) {
      throw CleoError.is(error) ? error : unreachable(url.origin, error);
    }
  }

  async #follow(request: WebhookRequest, signal: AbortSignal): Promise<Response> {
    const pool = await this.#connections();
    let { url } = this.#options;
    for (let hops = 0; ; hops += 1) {
      signal.throwIfAborted();
      const response = await pool.request({
        method: 'POST',
        path: url.pathname + url.search,
        ...request,
        signal,
        // The one deadline is the caller's.
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      // Destroying a body is an error to whoever listens, and an unheard one ends the process.
      response.body.on('error', () => {});
      if (!REDIRECTS.includes(response.statusCode)) return response;
      await discard(response.body);
      if (hops === MOST_REDIRECTS) throw refused(url, `more than ${MOST_REDIRECTS} times in a row`);
      url = redirected(url, response);
    }
  }

  #connections(): Promise<Pool> {
    // Loaded here, not above: it takes 100 ms, and who never posts must not pay them.
    this.#pool ??= import('undici').then(({ Pool }) => {
      const { url, allowPrivate, resolve = lookup } = this.#options;
      return new Pool(url.origin, {
        // One request on a connection at a time: giving one up ends no other.
        allowH2: false,
        maxHeaderSize: MAX_HEADER_BYTES,
        connect: allowPrivate ? {} : { lookup: publicOnly(resolve) },
      });
    });
    return this.#pool;
  }
}

/**
 * Looks a name up for a connection that is made now, and refuses it when it leads to a private address: what was looked up
 * before may have changed since.
 */
function publicOnly(resolve: Resolve): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      const inside = error ? undefined : addresses.find(({ address }) => !isPublicAddress(address));
      const [first] = addresses ?? [];
      if (error || inside) callback(error ?? leadsInside(hostname, inside!.address), '');
      else if (options.all) callback(null, addresses);
      else callback(null, first!.address, first!.family);
    });
  };
}

function redirected(from: URL, { statusCode, headers }: Response): URL {
  // The others ask for a GET instead, which would lose the message and answer 200 all the same.
  if (statusCode < 307) throw refused(from, `with status ${statusCode}, which drops the message`);
  const location = [headers.location].flat()[0];
  if (location === undefined) throw refused(from, 'without saying where to');
  const to = URL.parse(location, from);
  if (!to || to.username || to.password) throw refused(from, 'to an address that is none');
  if (to.origin !== from.origin) throw refused(from, `to ${to.origin}`);
  return to;
}

/** The beginning of a body; the rest is not waited for. */
async function head(body: Response['body'], maxBytes: number) {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) break;
  }
  const truncated = bytes > maxBytes;
  const kept = Buffer.concat(chunks).subarray(0, maxBytes);
  // A character cut in two by the bound is left out.
  return { text: new TextDecoder().decode(kept, { stream: truncated }), truncated };
}

async function discard(body: Response['body']): Promise<void> {
  // The message is not in it, so it does not matter how it ends.
  await withDeadline(body.dump({ limit: REST_BYTES }), REST_MS, () => undefined).catch(() => {});
  body.destroy();
}

function timedOut(origin: string, ms: number): CleoError {
  return new CleoError('E_WEBHOOK_TIMEOUT', `webhook: ${origin} did not answer within ${ms} ms`, {
    hint: 'Answer as soon as the message is taken and work on it afterwards, or raise timeoutMs.',
    retryable: true,
    details: { origin, timeoutMs: ms },
  });
}

function refused({ origin }: URL, what: string): CleoError {
  return new CleoError('E_WEBHOOK_REDIRECT', `webhook: ${origin} redirects ${what}`, {
    hint: 'Give the address it redirects to; a message is not sent to another origin by itself.',
    details: { origin },
  });
}

function leadsInside(hostname: string, address: string): CleoError {
  return new CleoError('E_WEBHOOK_PRIVATE', `webhook: ${hostname} leads to ${address}, which is not public`, {
    hint: 'Set allowPrivate (--allow-private) if it is meant to; otherwise find out who answers for that name.',
    details: { hostname, address },
  });
}

function unreachable(origin: string, cause: unknown): CleoError {
  const { code } = cause as NodeJS.ErrnoException;
  // The bytes a parser stumbled over may echo the request.
  if (typeof cause === 'object' && cause !== null && 'data' in cause) cause.data = undefined;
  const what = `${errorText(cause)}${code ? ` (${code})` : ''}`;
  return new CleoError('E_WEBHOOK_UNREACHABLE', `webhook: ${origin} could not be reached: ${what}`, {
    hint: /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO/.test(code ?? '')
      ? 'Check its certificate; NODE_EXTRA_CA_CERTS names one to trust that no public authority has signed.'
      : 'Check the address, and that it runs.',
    retryable: true,
    details: { origin, code },
    cause,
  });
}
