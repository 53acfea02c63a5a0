import { describe, expect, it } from 'vitest';
import { parseApiBase, resolveEndpoint } from './endpoint.ts';

describe('an API base', () => {
  it.each([
    ['https://api.example.com', 'https://api.example.com/'],
    ['https://api.example.com/v1/', 'https://api.example.com/v1'],
    ['http://localhost:4000', 'http://localhost:4000/'],
    ['http://127.3.2.1', 'http://127.3.2.1/'],
    ['http://[::1]:80//', 'http://[::1]/'],
  ])('may be %s', (given, parsed) => {
    expect(parseApiBase(given).href).toBe(parsed);
  });

  it.each([
    'http://api.example.com',
    'http://10.0.0.1',
    'http://127.0.0.1.example.com',
    'http://localhost.example.com',
    'http://cleo.localhost',
    'http://[::2]',
  ])('%s would show the key to the network', (url) => {
    expect(() => parseApiBase(url)).toThrow(
      expect.objectContaining({ code: 'E_TRANSPORT_INSECURE', hint: expect.stringContaining('https') }),
    );
    expect(parseApiBase(url, { allowInsecure: true }).protocol).toBe('http:');
  });

  it('carries no password, and an error does not repeat it', () => {
    for (const url of ['https://user:hunter2@api.example.com', 'https://hunter2@api.example.com'])
      expect(() => parseApiBase(url, { allowInsecure: true })).toThrow(
        expect.objectContaining({
          code: 'E_TRANSPORT_INSECURE',
          message: expect.not.stringContaining('hunter2'),
        }),
      );
  });

  it.each([
    'local:',
    'api.example.com',
    '',
    'ftp://x',
    'file:///etc',
    'https://x?key=hunter2',
    'https://x#y',
  ])('is not %j', (url) => {
    expect(() => parseApiBase(url)).toThrow(
      expect.objectContaining({
        code: 'E_TRANSPORT_ADDRESS',
        message: expect.not.stringContaining('hunter2'),
      }),
    );
  });
});

describe('an endpoint', () => {
  it.each([
    ['https://h', '/messages/stream', 'https://h/messages/stream'],
    ['https://h/', 'messages/stream', 'https://h/messages/stream'],
    ['https://h/v1', '/messages/stream', 'https://h/v1/messages/stream'],
    ['https://h/v1/', '/messages/stream?x=1', 'https://h/v1/messages/stream?x=1'],
    ['https://h/v1', 'https://h/other/stream', 'https://h/other/stream'],
    ['https://h:443/v1', 'https://h/other', 'https://h/other'],
  ])('below %s: %s is %s', (base, endpoint, resolved) => {
    expect(resolveEndpoint(base, endpoint)).toBe(resolved);
  });

  it.each([
    'https://evil.example/stream',
    'http://h/stream',
    'https://h:444/stream',
    '//evil.example/stream',
    '/\\evil.example/stream',
    '\\\\evil.example/stream',
    'https://user@h/stream',
    'javascript:alert(1)',
    'https://',
  ])('%s is refused: it would be given the key', (endpoint) => {
    expect(() => resolveEndpoint('https://h/v1', endpoint)).toThrow(
      expect.objectContaining({ code: 'E_TRANSPORT_ADDRESS', message: 'an endpoint lies outside https://h' }),
    );
  });
});
