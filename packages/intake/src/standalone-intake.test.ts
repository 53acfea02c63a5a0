import { type CleoError, pause, type Transport, WireError } from '@cleocode/contracts';
import { MockTransport } from '@cleocode/contracts/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { pollPage } from './poll-page.ts';
import {
  type Source,
  type SourceParts,
  StandaloneIntake,
  type StandaloneOptions,
} from './standalone-intake.ts';

let transport: MockTransport;
let errors: CleoError[];
let intake: StandaloneIntake<PlainSource>;

/** The least that a source can be: it reads everything again and again. */
class PlainSource implements Source {
  readonly parts: SourceParts;
  polls = 0;

  constructor(parts: SourceParts) {
    this.parts = parts;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { inbox } = this.parts;
      await inbox.waitForRoom(signal);
      const page = await pollPage(transport, { afterSeq: 0, limit: 200 }, { timeoutMs: 1_000, signal });
      this.polls += 1;
      inbox.receive(page, { name: 'plain', ackable: true, afterSeq: 0 });
      await pause(5, signal);
    }
  }
}

beforeEach(async () => {
  transport = new MockTransport();
  await transport.connect({ agentId: 'bot', apiKey: '', apiBaseUrl: 'local:' });
  errors = [];
});

afterEach(async () => {
  await intake?.stop();
});

function make(options: Partial<StandaloneOptions> = {}): StandaloneIntake<PlainSource> {
  intake = new StandaloneIntake(
    {
      name: 'Test',
      agentId: 'bot',
      transport,
      retryDelayMs: 10,
      onError: (error) => errors.push(error),
      ...options,
    },
    (parts) => new PlainSource(parts),
  );
  return intake;
}

/** A handler that keeps the contents it was given. */
function collecting(): string[] {
  const contents: string[] = [];
  intake.onMessage(({ content }) => void contents.push(content));
  return contents;
}

const codes = () => errors.map(({ code }) => code);
const until = (condition: () => boolean) => vi.waitUntil(condition, { interval: 5 });

describe('a message', () => {
  it('goes to every handler once and is acked after the last', async () => {
    make();
    const [first, second] = [collecting(), collecting()];
    const { id } = transport.deliver({ content: 'hello' });
    await intake.start();
    await until(() => transport.acked.length > 0 && intake.source!.polls > 5);
    expect([first, second, transport.acked]).toEqual([['hello'], ['hello'], [id]]);
    expect(intake.status()).toEqual({ running: true, pending: 0, finished: 1 });
  });

  it('is not acked while a handler is at work', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    make().onMessage(() => promise);
    transport.deliver();
    await intake.start();
    await until(() => intake.status().pending === 1 && intake.source!.polls > 3);
    expect(transport.acked).toEqual([]);
    resolve();
    await until(() => transport.acked.length === 1);
  });

  it('whose ack was lost is acked again and not handled again', async () => {
    make();
    const contents = collecting();
    transport.failNext('ack', new WireError('E_INTERNAL_ERROR', 'lost'));
    const { id } = transport.deliver({ content: 'hello' });
    await intake.start();
    await until(() => transport.acked.includes(id));
    expect([contents, codes()]).toEqual([['hello'], ['E_INTERNAL_ERROR']]);
  });

  it('whose ack the backend refuses is told once, handled once, and holds up no other', async () => {
    make();
    const contents = collecting();
    const cause = new WireError('E_VALIDATION_SCHEMA', 'not an id');
    const refused = transport.deliver({ content: 'refused' });
    const ack = transport.ack.bind(transport);
    transport.ack = async (ids) => {
      if (ids.includes(refused.id)) throw cause;
      await ack(ids);
    };
    const others = [transport.deliver({ content: '1' }), transport.deliver({ content: '2' })];
    await intake.start();
    await until(() => transport.acked.length === 2 && intake.source!.polls > 20);
    expect([contents, transport.acked]).toEqual([['refused', '1', '2'], others.map(({ id }) => id)]);
    expect(errors).toMatchObject([{ code: 'E_ACK_REFUSED', cause, details: { messageId: refused.id } }]);
  });
});

describe('handlers', () => {
  it('may come late: until then nothing is read', async () => {
    await make().start();
    transport.deliver({ content: 'waiting' });
    await pause(50, new AbortController().signal);
    expect([transport.polls, intake.handles]).toEqual([0, false]);
    const contents = collecting();
    await until(() => contents.length > 0);
    expect([contents, intake.handles]).toEqual([['waiting'], true]);
  });

  it('can be taken away, one registration at a time', async () => {
    make();
    const handler = vi.fn();
    intake.onMessage(handler);
    intake.onMessage(handler)();
    await intake.start();
    transport.deliver();
    await until(() => transport.acked.length === 1);
    expect(handler).toHaveBeenCalledOnce();
  });
});

describe('trouble', () => {
  it('goes to stderr when nobody asked for it, and so does what a listener throws', async () => {
    const written = vi.spyOn(console, 'error').mockImplementation(() => {});
    const fail = () => {
      throw new Error('broken');
    };
    make({ maxAttempts: 1, onError: undefined }).onMessage(fail);
    transport.deliver();
    await intake.start();
    await until(() => written.mock.calls.length > 0);
    expect(written.mock.calls[0]![0]).toMatch(/^E_MESSAGE_GIVEN_UP: .*broken .*after a restart/);
    await intake.stop();
    written.mockClear();
    make({
      maxAttempts: 1,
      onError: () => {
        throw new Error('a bad listener');
      },
    }).onMessage(fail);
    await intake.start();
    await until(() => written.mock.calls.length === 2);
    expect(written.mock.calls[0]![0]).toMatch(/^E_INTAKE_LISTENER: Test: onError threw: a bad listener/);
    expect(written.mock.calls[1]![0]).toMatch(/^E_MESSAGE_GIVEN_UP/);
    written.mockRestore();
  });

  it('with an observer of the inbox is told, and harms nothing', async () => {
    const cause = new Error('a bad observer');
    make();
    const contents = collecting();
    await intake.start();
    intake.source!.parts.inbox.observe(() => {
      throw cause;
    });
    transport.deliver({ content: 'hello' });
    await until(() => transport.acked.length === 1);
    expect(contents).toEqual(['hello']);
    expect(errors[0]).toMatchObject({ code: 'E_INTAKE_LISTENER', cause });
  });

  it('that a source tells is told, with a code', async () => {
    make();
    collecting();
    await intake.start();
    const cause = new Error('no network');
    intake.source!.parts.reporter.failing('the mailbox', cause);
    expect(errors).toMatchObject([{ code: 'E_TRANSPORT_FAILED', message: 'the mailbox: no network', cause }]);
  });

  it('that ends a source is told', async () => {
    make();
    collecting();
    const cause = new Error('gone');
    transport.failNext('poll', cause);
    await intake.start();
    await until(() => errors.length > 0);
    expect(errors).toMatchObject([{ code: 'E_TRANSPORT_FAILED', message: 'Test ended: gone', cause }]);
  });
});

describe('start and stop', () => {
  it('a stop waits for the handler at work and sends its ack', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const started = vi.fn();
    make().onMessage(() => {
      started();
      return promise;
    });
    transport.deliver();
    await intake.start();
    await until(() => started.mock.calls.length > 0);
    const stopped = intake.stop();
    expect(intake.status().running).toBe(false);
    resolve();
    await stopped;
    expect([transport.acked.length, intake.source, errors]).toEqual([1, undefined, []]);
  });

  it('a stop leaves what waits unread, and a new start brings it', async () => {
    let fail = true;
    const contents: string[] = [];
    make({ retryDelayMs: 60_000 }).onMessage(({ content }) => {
      if (fail) throw new Error('not yet');
      contents.push(content);
    });
    transport.deliver({ content: 'later' });
    await intake.start();
    await until(() => errors.length === 1);
    await intake.stop();
    expect(transport.acked).toEqual([]);
    fail = false;
    await intake.start();
    await until(() => transport.acked.length === 1);
    expect(contents).toEqual(['later']);
  });

  it('may be called twice; a start waits for the stop under way, and nothing is handled twice', async () => {
    make();
    const contents = collecting();
    transport.failNext('ack', new WireError('E_INTERNAL_ERROR', 'lost'));
    transport.failNext('ack', new WireError('E_INTERNAL_ERROR', 'lost'));
    transport.deliver({ content: 'once' });
    await intake.start();
    await intake.start();
    await until(() => contents.length === 1);
    const stopped = [intake.stop(), intake.stop()];
    expect(intake.stopping).toBeInstanceOf(Promise);
    await intake.start();
    await Promise.all(stopped);
    expect(intake.status().running).toBe(true);
    await until(() => transport.acked.length === 1);
    expect(contents).toEqual(['once']);
    await intake.stop();
    await intake.stop();
  });

  it('need no more than a name, an id and a transport, and say what is missing', () => {
    const source = (parts: SourceParts) => new PlainSource(parts);
    const made = (options: object) => () => new StandaloneIntake(options as StandaloneOptions, source);
    const good = {
      name: 'Test',
      agentId: 'bot',
      transport: { name: 'acks', ack: async () => {} } satisfies Pick<Transport, 'name' | 'ack'>,
    };
    expect(made(good)().status()).toEqual({ running: false, pending: 0, finished: 0 });
    for (const [bad, message] of [
      [{ agentId: '' }, 'Test: agentId is missing'],
      [{ transport: undefined }, 'Test: transport is missing'],
      [{ timeoutMs: 0 }, 'Test: timeoutMs is 0'],
      [{ maxAttempts: Number.NaN }, 'Test: maxAttempts is NaN'],
      [{ retryDelayMs: 2 ** 31 }, 'Test: retryDelayMs is 2147483648'],
      [{ handlerTimeoutMs: '5' }, 'Test: handlerTimeoutMs is 5'],
    ] as const)
      expect(made({ ...good, ...bad })).toThrow(
        expect.objectContaining({ code: 'E_INTAKE_OPTIONS', message, hint: expect.any(String) }),
      );
  });
});
