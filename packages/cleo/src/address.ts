import { isLoopback } from '@cleocode/contracts';
import { UsageError } from './usage-error.ts';

const EXAMPLE = 'Give the address of the backend: --api-url https://api.example.com';

/** The address of a backend, of which an agent's routes are parts: without a slash at its end. Throws `E_USAGE`, which blames `source`. */
export function checkedAddress(text: string, insecure = false, source = '--api-url'): string {
  const url = URL.parse(text);
  // What may be a secret is not repeated.
  if (url?.username || url?.password)
    throw new UsageError(`${source} holds a user name or password`, EXAMPLE);
  if (url?.search || url?.hash)
    throw new UsageError(`${source} goes on after the address with ? or #`, EXAMPLE);
  if (!url || !/^https?:$/.test(url.protocol))
    throw new UsageError(`${source}: "${text}" is no http(s) address`, EXAMPLE);
  // A key must not cross a network in the clear.
  if (isExposed(url) && !insecure)
    throw new UsageError(
      `${source}: http is for this machine only, not for ${url.hostname}`,
      'Use https; or --insecure, where nobody else can listen on the way.',
    );
  return withoutSlash(url.href);
}

/** Plain http to another machine. */
export function isExposed({ protocol, hostname }: URL): boolean {
  return protocol === 'http:' && !isLoopback(hostname);
}

/** Whether two addresses are the same backend's. */
export function sameAddress(a: string, b: string): boolean {
  return withoutSlash(URL.parse(a)?.href ?? a) === withoutSlash(URL.parse(b)?.href ?? b);
}

function withoutSlash(address: string): string {
  return address.replace(/\/+$/, '');
}
