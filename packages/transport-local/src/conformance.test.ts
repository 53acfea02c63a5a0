import { type ConformanceHarness, transportConformance } from '@cleocode/contracts/testing';
import { describe, expect, it } from 'vitest';
import type { Fault, Methods } from './faults/fault.test.kit.ts';
import { faults } from './faults.test.kit.ts';
import { localHarness } from './harness.test.kit.ts';
import { Line } from './line.test.kit.ts';
import type { LocalTransport } from './local-transport.ts';

const rows = transportConformance();

describe('LocalTransport conforms', () => {
  for (const { name, run } of rows)
    it(name, { timeout: 60_000 }, async ({ skip }) => {
      const harness = await localHarness(skip);
      try {
        await run(harness);
      } finally {
        await harness.close();
      }
    });
});

describe('a transport over a line that may fail conforms', () => {
  it.each(rows.filter(({ name }) => /restart|silent/.test(name)))('$name', async ({ run }) => {
    const harness = await lineHarness();
    await run(harness);
    await harness.close();
  });
});

describe('the conformance table catches a transport that', () => {
  it.each(faults)('$what ($caughtBy)', async (fault) => {
    const row = rows.find(({ name }) => name === fault.caughtBy);
    expect(row, `there is a row "${fault.caughtBy}"`).toBeDefined();
    const harness = await lineHarness(fault);
    await expect(row!.run(harness)).rejects.toMatchObject({ code: fault.code });
    await harness.close();
  });

  it('breaks any one of its rows', () => {
    const caught = new Set(faults.map(({ caughtBy }) => caughtBy));
    expect(rows.map(({ name }) => name).filter((name) => !caught.has(name))).toEqual([]);
  });

  it('lacks its capabilities: their rows are skipped aloud, the others run', async () => {
    const skipped: string[] = [];
    const lacking = { subscribe: undefined, fetchConversation: undefined, rotateKey: undefined };
    for (const { run } of rows) {
      const harness = await localHarness(
        (reason) => skipped.push(reason),
        (transport) => Object.assign(transport, lacking),
      );
      await run(harness);
      await harness.close();
    }
    const counts = Object.entries(Object.groupBy(skipped, (reason) => reason));
    expect(Object.fromEntries(counts.map(([reason, all]) => [reason, all!.length]))).toEqual({
      'local has no subscribe': 7,
      'local has no fetchConversation': 8,
      'local has no rotateKey': 3,
      'the harness cannot restart its backend': 4,
      'the harness cannot silence its backend': 1,
    });
  });
});

/** Transports over one line, each with the fault. */
async function lineHarness(fault?: Fault): Promise<ConformanceHarness> {
  const line = new Line();
  const others: Methods[] = [];
  const harness = await localHarness(
    (reason) => expect.fail(`skipped: ${reason}`),
    (transport) => {
      line.through(transport);
      const methods = bound(transport);
      others.push(methods);
      Object.assign(transport, fault?.methods(methods, { line, others }));
    },
  );
  return { ...harness, restart: line.restart, silence: line.silence, patienceMs: 300 };
}

function bound(transport: LocalTransport): Methods {
  return {
    connect: transport.connect.bind(transport),
    disconnect: transport.disconnect.bind(transport),
    push: transport.push.bind(transport),
    poll: transport.poll.bind(transport),
    ack: transport.ack.bind(transport),
    subscribe: transport.subscribe.bind(transport),
    fetchConversation: transport.fetchConversation.bind(transport),
    heartbeat: transport.heartbeat.bind(transport),
    setStatus: transport.setStatus.bind(transport),
    isOnline: transport.isOnline.bind(transport),
    rotateKey: transport.rotateKey.bind(transport),
    verifyKey: transport.verifyKey.bind(transport),
  };
}
