import type { Dispatcher, Pool } from 'undici';
import { asFailure, type Phase, timedOut, tooLarge } from './failures.ts';
import { type Headers, header } from './hints.ts';

export interface HttpRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  origin: string;
  /** With the query. */
  path: string;
  headers: Record<string, string>;
  body?: string;
  /** Blanked where the headers of the answer echo it, so that no error can show it. */
  secret?: string | undefined;
}

export interface HttpAnswer {
  status: number;
  headers: Headers;
  body: Buffer;
}

/** Milliseconds each part of an exchange may take, and the bytes an answer may have. */
export interface ExchangeLimits {
  connectMs: number;
  /** From the request to the end of the answer's headers. */
  headersMs: number;
  /** Between two pieces of the answer's body. */
  bodyMs: number;
  maxBytes: number;
}

const LIMIT_OF = { connect: 'connectMs', headers: 'headersMs', body: 'bodyMs' } as const;

/**
 * One request, one answer, read whole. The timers are our own: those of the client are up to a second late. Whatever
 * fails is a `CleoError` with `details.phase`, or the reason of `signal`; nothing was sent when the phase is `connect`.
 * The body is always consumed, or its connection destroyed.
 */
export function exchange(
  pool: Pool,
  request: HttpRequest,
  limits: ExchangeLimits,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  if (signal.aborted) return Promise.reject(signal.reason);
  const { secret: _, ...options } = request;
  const handler = new Exchange(request, limits, signal);
  pool.dispatch({ ...options, headersTimeout: 0, bodyTimeout: 0 }, handler);
  return handler.answer;
}

/** What the HTTP client tells of an exchange, in this order, ended at any time by a timer or the signal. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly answer: Promise<HttpAnswer>;
  readonly #request: HttpRequest;
  readonly #limits: ExchangeLimits;
  readonly #signal: AbortSignal;
  readonly #settle: PromiseWithResolvers<HttpAnswer>;
  readonly #onAbort = () => this.#fail(this.#signal.reason);
  readonly #chunks: Buffer[] = [];
  #size = 0;
  #status = 0;
  #headers: Headers = {};
  #phase: Phase = 'connect';
  #timer: NodeJS.Timeout | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #over = false;

  constructor(request: HttpRequest, limits: ExchangeLimits, signal: AbortSignal) {
    this.#request = request;
    this.#limits = limits;
    this.#signal = signal;
    this.#settle = Promise.withResolvers();
    this.answer = this.#settle.promise;
    signal.addEventListener('abort', this.#onAbort);
    this.#enter('connect');
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) this.#abandon();
    else this.#enter('headers');
  }

  onResponseStart(_: unknown, status: number, headers: Headers): void {
    if (status < 200) return;
    const { secret } = this.#request;
    this.#status = status;
    this.#headers = secret ? blanked(headers, secret) : headers;
    if (Number(header(headers, 'content-length')) > this.#limits.maxBytes) this.#failAsTooLarge();
    else this.#enter('body');
  }

  onResponseData(_: unknown, chunk: Buffer): void {
    if (this.#over) return;
    this.#size += chunk.length;
    this.#chunks.push(chunk);
    if (this.#size > this.#limits.maxBytes) this.#failAsTooLarge();
    else this.#timer?.refresh();
  }

  onResponseEnd(): void {
    const body = Buffer.concat(this.#chunks, this.#size);
    this.#end();
    this.#settle.resolve({ status: this.#status, headers: this.#headers, body });
  }

  onResponseError(_: unknown, error: Error): void {
    this.#fail(asFailure(error, this.#request, this.#phase));
  }

  #enter(phase: Phase): void {
    const ms = this.#limits[LIMIT_OF[phase]];
    this.#phase = phase;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail(timedOut(this.#request, phase, ms)), ms);
  }

  #failAsTooLarge(): void {
    this.#fail(tooLarge(this.#request, this.#limits.maxBytes));
  }

  #fail(error: unknown): void {
    this.#end();
    this.#settle.reject(error);
    this.#abandon();
  }

  /** Destroys the connection: what is still on its way would be taken for the next answer. */
  #abandon(): void {
    this.#controller?.abort(new Error('given up'));
  }

  #end(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#signal.removeEventListener('abort', this.#onAbort);
  }
}

function blanked(headers: Headers, secret: string): Headers {
  const blank = (text: string) => text.replaceAll(secret, '***');
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map(blank) : value && blank(value),
    ]),
  );
}
