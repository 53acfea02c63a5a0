import { expect, it, vi } from 'vitest';
import type { AgentCredential } from './agent.ts';
import { keyIssuerOf } from './key-rotation.ts';
import { Secret } from './secret.ts';
import { MockTransport } from './testing/mock-transport.ts';
import type { Transport } from './transport.ts';

/** The members that every transport has. */
function bare(more: Partial<Transport> = {}): Transport {
  const mock = new MockTransport();
  const { name } = mock;
  const required = ['connect', 'disconnect', 'push', 'poll', 'ack'] as const;
  const methods = Object.fromEntries(required.map((method) => [method, mock[method].bind(mock)]));
  return { name, ...methods, ...more } as Transport;
}

it('a transport that cannot rotate is no issuer', () => {
  expect(keyIssuerOf(bare())).toBeUndefined();
});

it('a transport issues keys so that a lost answer locks nobody out, and verifies the key it is given', async () => {
  const rotateKey = vi.fn<NonNullable<Transport['rotateKey']>>(async () => ({ apiKey: 'new' }));
  const verifyKey = vi.fn<NonNullable<Transport['verifyKey']>>(async () => {});
  const issuer = keyIssuerOf(bare({ rotateKey, verifyKey, serverTime: () => 42 }))!;
  const options = { idempotencyKey: 'k', overlapSeconds: 60 };
  expect(await issuer.issue({} as AgentCredential, options)).toEqual({ apiKey: 'new' });
  expect(rotateKey.mock.calls).toEqual([[{ ...options, keepUntilUsed: true }]]);
  await issuer.verify!(new Secret('new'));
  expect(verifyKey.mock.calls[0]![0]).toBe('new');
  expect(issuer.now!()).toBe(42);
});

it('a transport that can only rotate leaves the rest out', () => {
  const issuer = keyIssuerOf(bare({ rotateKey: async () => ({ apiKey: 'new' }) }))!;
  expect(Object.keys(issuer)).toEqual(['issue']);
});
