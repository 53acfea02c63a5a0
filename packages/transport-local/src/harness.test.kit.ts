import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConformanceHarness, conformanceHarness } from '@cleocode/contracts/testing';
import { type Dock, openDock } from '@cleocode/signaldock';
import { onTestFinished } from 'vitest';
import { LocalTransport } from './local-transport.ts';

export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'transport-local-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A dock in a new folder with these agents, closed after the test. */
export async function testDock(agentIds: string[] = []): Promise<{ dock: Dock; dir: string; file: string }> {
  const dir = testFolder();
  const file = join(dir, 'signaldock.db');
  const dock = await openDock({ file });
  onTestFinished(() => dock.close());
  for (const agentId of agentIds) await dock.registerAgent({ agentId });
  return { dock, dir, file };
}

/**
 * The harness of the conformance table; `wrap` may put something between a test and each transport. It has no `restart` and
 * no `silence`: the backend is a file in this process, and every transport holds it itself.
 */
export async function localHarness(
  skip: (reason: string) => void,
  wrap: (transport: LocalTransport) => void = () => {},
): Promise<ConformanceHarness> {
  const { dock, file } = await testDock();
  const made: LocalTransport[] = [];
  return conformanceHarness({
    transport() {
      // The table's bad subscribers are expected to fail.
      const transport = new LocalTransport({ file, onError: () => {} });
      made.push(transport);
      wrap(transport);
      return transport;
    },
    async register(agentId) {
      const { apiKey } = await dock.registerAgent({ agentId });
      return { apiKey, apiBaseUrl: 'local:' };
    },
    async group([first, ...participants]) {
      return (await dock.createConversation(first!, { participants, visibility: 'shared' })).id;
    },
    skip,
    async close() {
      // What was put in between may have kept them connected.
      for (const transport of made) await LocalTransport.prototype.disconnect.call(transport);
    },
  });
}
