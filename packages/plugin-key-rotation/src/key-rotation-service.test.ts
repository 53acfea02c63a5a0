import { inspect } from 'node:util';
import type { AgentRegistryAPI, CleoError } from '@cleocode/contracts';
import { openStore } from '@cleocode/store';
import { HttpTransport } from '@cleocode/transport-http';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { testWorld } from './harness.test.kit.ts';
import { KeyRotationService, type KeyRotationServiceOptions } from './key-rotation-service.ts';

/** `bob`, his store and his transport, and a service over both that ends with the test. */
async function world(options: Partial<KeyRotationServiceOptions> = {}) {
  const { dock, url, dir, dataDir, firstKey } = await testWorld();
  const { registry, close } = await openStore({ dir, dataDir });
  const transport = new HttpTransport();
  await transport.connect({ agentId: 'bob', apiBaseUrl: url, apiKey: firstKey });
  const errors: CleoError[] = [];
  const onError = (error: CleoError) => errors.push(error);
  const service = new KeyRotationService({ agentId: 'bob', registry, transport, onError, ...options });
  onTestFinished(async () => {
    await service.stop();
    await transport.disconnect();
    await close();
  });
  return { dock, registry, transport, service, errors, firstKey };
}

/** Resolves when `condition` holds. */
const until = (condition: () => unknown) => vi.waitUntil(condition, { timeout: 20_000, interval: 20 });

describe('the service, alone', () => {
  it('replaces a key that is too old, which is then the one that works', async () => {
    const onRotated = vi.fn();
    const { dock, registry, service, errors, firstKey } = await world({ maxKeyAgeMs: 1_000, onRotated });
    expect(service.status()).toEqual({ running: false, lastRotationAt: null, consecutiveFailures: 0 });
    service.start();
    service.start();
    await until(() => onRotated.mock.calls.length > 0);
    await service.stop();
    const { apiKey } = (await registry.get('bob'))!;
    expect(apiKey === firstKey).toBe(false);
    await dock.authenticate('bob', apiKey);
    expect(service.status()).toMatchObject({ running: false, lastRotationAt: expect.any(String) });
    expect(errors).toEqual([]);
  });

  it('leaves a young key alone, and rotates it when told to', async () => {
    const { registry, service, firstKey } = await world();
    service.start();
    await until(() => service.status().keyAgeMs !== undefined);
    expect((await registry.get('bob'))?.apiKey === firstKey).toBe(true);
    await service.rotateNow();
    expect((await registry.get('bob'))?.apiKey === firstKey).toBe(false);
  });

  it('rotates no more after stop(), and again after another start()', async () => {
    const { registry, service } = await world({ maxKeyAgeMs: 500 });
    const keys = new Set<string>();
    service.start();
    await until(async () => keys.add((await registry.get('bob'))!.apiKey).size > 1);
    await service.stop();
    const { apiKey } = (await registry.get('bob'))!;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect((await registry.get('bob'))?.apiKey === apiKey).toBe(true);
    service.start();
    await until(async () => (await registry.get('bob'))?.apiKey !== apiKey);
  });

  it('keeps a key whose answer is on its way when it is stopped', async () => {
    let answer!: (issued: { apiKey: string }) => void;
    const issue = () =>
      new Promise<{ apiKey: string }>((resolve) => {
        answer = resolve;
      });
    const { registry, service } = await world({ maxKeyAgeMs: 1, issuer: { issue } });
    service.start();
    await until(() => answer);
    const stopped = service.stop();
    answer({ apiKey: 'the only copy' });
    await stopped;
    expect((await registry.get('bob'))?.apiKey).toBe('the only copy');
  });

  it('refuses to start while it stops', async () => {
    const { service } = await world();
    service.start();
    const stopped = service.stop();
    expect(() => service.start()).toThrow(
      expect.objectContaining({ code: 'E_ROTATION_STATE', hint: 'Await stop() first.' }),
    );
    await stopped;
  });

  it.each([
    ['registry', { registry: undefined }],
    ['maxKeyAgeMs', { maxKeyAgeMs: -1 }],
    ['checkIntervalMs', { checkIntervalMs: 0 }],
    ['overlapSeconds', { overlapSeconds: 86_401 }],
  ])('refuses a %s that is no use, by name', (name, options) => {
    const registry = { rotateKey: vi.fn() } as unknown as AgentRegistryAPI;
    const make = () =>
      new KeyRotationService({ agentId: 'bob', registry, ...options } as KeyRotationServiceOptions);
    expect(make).toThrow(
      expect.objectContaining({ code: 'E_ROTATION_OPTIONS', message: expect.stringContaining(name) }),
    );
  });

  it('says on stderr what nobody listens to, and which listener threw', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => {});
    onTestFinished(() => said.mockRestore());
    const { registry } = await world();
    const onRotated = () => {
      throw new Error('not today');
    };
    const service = new KeyRotationService({ agentId: 'bob', registry, onRotated, maxKeyAgeMs: 1 });
    service.start();
    await until(() => said.mock.calls.length > 0);
    await service.stop();
    expect(said.mock.calls[0]![0]).toMatch(/^E_ROTATE_UNAVAILABLE: bob: the key of "bob" cannot be rotated/);
    said.mockClear();
    const issuer = { issue: async () => ({ apiKey: 'another' }) };
    await new KeyRotationService({ agentId: 'bob', registry, onRotated, issuer }).rotateNow();
    expect(said.mock.calls).toEqual([
      [
        'E_ROTATION_STATE: bob: KeyRotationService: onRotated threw: not today (Keep onRotated from throwing.)',
      ],
    ]);
  });

  it('shows no key', async () => {
    const { service, firstKey } = await world();
    service.start();
    await service.rotateNow();
    const shown = inspect([service, service.status()], { depth: 9, showHidden: true });
    expect(shown).not.toContain(firstKey.slice(0, 12));
  });
});
