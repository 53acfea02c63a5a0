import { BlockList, isIP, isIPv6 } from 'node:net';
import { CleoError } from './errors.ts';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/**
 * The API base of a backend, checked before anything is sent there. A path prefix is kept, a slash at the end does not
 * matter. Throws `E_TRANSPORT_ADDRESS`, or `E_TRANSPORT_INSECURE` where a key would cross a network in the clear.
 */
export function parseApiBase(apiBaseUrl: string, { allowInsecure = false } = {}): URL {
  const url = URL.parse(apiBaseUrl);
  // What may be a secret is not repeated.
  if (url?.username || url?.password)
    throw new CleoError('E_TRANSPORT_INSECURE', 'the API base URL carries a user name or a password', {
      hint: 'Take it out of the URL: the agent authenticates with its key.',
    });
  if (!url || !/^https?:$/.test(url.protocol))
    throw new CleoError(
      'E_TRANSPORT_ADDRESS',
      `not an http(s) URL: ${url ? url.protocol : 'it cannot be parsed'}`,
      {
        hint: 'Give the API base of the backend, such as https://api.example.com.',
      },
    );
  if (url.search || url.hash)
    throw new CleoError('E_TRANSPORT_ADDRESS', `the API base URL goes on after the path: ${url.origin}`, {
      hint: 'Take what follows ? or # out of it.',
    });
  if (url.protocol === 'http:' && !allowInsecure && !isLoopback(url.hostname))
    throw new CleoError(
      'E_TRANSPORT_INSECURE',
      `plain http would show the key to the network: ${url.origin}`,
      {
        hint: 'Use https; or set allowInsecure where nobody else can listen on the way.',
        details: { origin: url.origin },
      },
    );
  url.pathname = url.pathname.replace(/\/+$/, '');
  return url;
}

/**
 * Where an endpoint of a connection kit or a configuration is: a path is taken below the API base, prefix included; an
 * absolute URL must be of the same origin. Throws `E_TRANSPORT_ADDRESS` for another origin: it would be given the key.
 */
export function resolveEndpoint(apiBaseUrl: string, endpoint: string): string {
  const base = new URL(apiBaseUrl);
  const prefix = base.pathname.replace(/\/+$/, '');
  const isPath = !/^([a-z][a-z\d+.-]*:|[/\\]{2})/i.test(endpoint);
  const url = URL.parse(isPath ? `${base.origin}${prefix}/${endpoint.replace(/^\//, '')}` : endpoint, base);
  if (url && url.origin === base.origin && !url.username && !url.password) return url.href;
  throw new CleoError('E_TRANSPORT_ADDRESS', `an endpoint lies outside ${base.origin}`, {
    hint: 'Give it as a path, such as /messages/stream.',
    details: { origin: base.origin },
  });
}

/** Whether only this machine reaches `host`: a name or an address, in the brackets of a URL or without. */
export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, '$1');
  if (!isIP(address)) return address === 'localhost';
  return LOOPBACK.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}
