import { expect, it } from 'vitest';
import { webhookUrlFault } from './webhook-url.ts';

const ANYTHING = { allowPrivate: true, allowInsecure: true };

it('takes https to anywhere public, with a path, a query and a port', () => {
  for (const url of ['https://example.com', 'https://1.1.1.1:8443/a?token=b', 'https://[2606:4700::1111]/'])
    expect(webhookUrlFault(url)).toBeUndefined();
});

it.each(['', 'example.com/hook', 'ftp://example.com', 'file:///etc/passwd', 'https://', 'unix:/socket'])(
  'refuses %j: no http(s) URL',
  (url) => expect(webhookUrlFault(url, ANYTHING)).toBe('not an http(s) URL'),
);

it('refuses a user name or a password, and does not repeat them', () => {
  for (const url of ['https://me:hunter2@example.com', 'https://hunter2@example.com', 'https://:hunter2@x.y'])
    expect(webhookUrlFault(url, ANYTHING)).toMatch(/^(?!.*hunter2)the URL carries a user name or a password/);
});

it.each([
  ...[
    'https://127.0.0.1/',
    'https://127.1/',
    'https://0x7f.1/',
    'https://2130706433/',
    'https://0/',
    'https://[::1]/',
  ],
  ...[
    'https://[::ffff:7f00:1]/',
    'https://169.254.169.254/latest/',
    'https://192.168.1.1/',
    'https://[fd00::1]/',
  ],
  ...[
    'https://localhost/',
    'https://LOCALHOST/',
    'https://localhost./',
    'https://api.localhost/',
    'https://①②⑦.0.0.1/',
  ],
])('refuses %s: this machine or a private network, however it is spelled', (url) => {
  expect(webhookUrlFault(url)).toMatch(
    /is this machine or a private network, which only allowPrivate allows$/,
  );
  expect(webhookUrlFault(url, { allowPrivate: true })).toBeUndefined();
});

it('refuses plain http where others can listen', () => {
  const fault = 'plain http would show the messages to the network, which only allowInsecure allows: ';
  expect(webhookUrlFault('http://example.com/secret-path')).toBe(`${fault}http://example.com`);
  expect(webhookUrlFault('http://10.0.0.1/', { allowPrivate: true })).toBe(`${fault}http://10.0.0.1`);
  expect(webhookUrlFault('http://example.com/', { allowInsecure: true })).toBeUndefined();
  expect(webhookUrlFault('http://127.0.0.1:3000/', { allowPrivate: true })).toBeUndefined();
});
