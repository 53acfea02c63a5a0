import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { CleoError } from '../../errors.ts';
import type { ConduitMessage } from '../../message.ts';
import { withDeadline } from '../../timing.ts';
import type { ConformanceHarness } from './behaviour.ts';

type Patience = Pick<ConformanceHarness, 'patienceMs'>;

const PATIENCE_MS = 10_000;

export function contents(messages: readonly ConduitMessage[]): string[] {
  return messages.map(({ content }) => content);
}

/** Same messages, whatever their order. */
export function assertSame(actual: readonly string[], expected: readonly string[], what: string): void {
  assert.deepEqual(actual.toSorted(), expected.toSorted(), what);
}

export function assertAscending(messages: readonly ConduitMessage[]): void {
  const seqs = messages.flatMap(({ seq }) => seq ?? []);
  assert.deepEqual(
    seqs,
    [...new Set(seqs)].sort((a, b) => a - b),
    'seq is strictly ascending',
  );
}

/** A refusal: trying the same again cannot help. Answers the error. */
export async function assertRejects(call: Promise<unknown>, code: string): Promise<CleoError> {
  const error = await call.then(
    () => assert.fail(`it is refused with ${code}`),
    (thrown: unknown) => thrown,
  );
  assert.ok(CleoError.is(error), `a CleoError, not ${error}`);
  assert.equal(error.code, code);
  assert.ok(error.message, 'an error says what is wrong');
  assert.equal(error.retryable, false, `${code} is not retryable`);
  return error;
}

export function isRetryable(error: unknown): boolean {
  return CleoError.is(error) && error.retryable;
}

/** Waits as long as the harness has patience. */
export async function until(
  { patienceMs = PATIENCE_MS }: Patience,
  what: string,
  condition: () => boolean,
): Promise<void> {
  for (const deadline = performance.now() + patienceMs; !condition(); await sleep(5))
    assert.ok(performance.now() < deadline, `in ${patienceMs} ms: ${what}`);
}

/** What a call answers, tried again while it rejects as retryable and the harness has patience. */
export async function eventually<T>(
  { patienceMs = PATIENCE_MS }: Patience,
  call: () => Promise<T>,
): Promise<T> {
  for (const deadline = performance.now() + patienceMs; ; await sleep(20)) {
    try {
      return await call();
    } catch (error) {
      assert.ok(isRetryable(error), `answered or refused as retryable, not ${error}`);
      assert.ok(performance.now() < deadline, `answered in ${patienceMs} ms, not still: ${error}`);
    }
  }
}

/** How each of the calls ended; none of them may take longer than the harness has patience. */
export function settled<T>(
  { patienceMs = PATIENCE_MS }: Patience,
  calls: readonly Promise<T>[],
): Promise<PromiseSettledResult<T>[]> {
  return withDeadline(
    Promise.allSettled(calls),
    patienceMs,
    () => new assert.AssertionError({ message: `every call ends in ${patienceMs} ms` }),
  );
}
