import { isIP } from 'node:net';
import { isLoopback } from '@cleocode/contracts';
import { isPublicAddress } from './public-address.ts';

/** What a webhook may do that is refused otherwise. */
export interface WebhookAllowances {
  /** Reach this machine and private networks. Default `false`. */
  allowPrivate?: boolean | undefined;
  /** Send in plain http to another machine. Default `false`. */
  allowInsecure?: boolean | undefined;
}

/**
 * What is wrong with a URL that messages shall be posted to, if anything. It never repeats what may be a secret. Where a name
 * leads is seen only when it is connected to, and looked at then.
 */
export function webhookUrlFault(
  text: string,
  { allowPrivate = false, allowInsecure = false }: WebhookAllowances = {},
): string | undefined {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) return 'not an http(s) URL';
  if (url.username || url.password)
    return 'the URL carries a user name or a password, which end up in logs: send them as a header';
  if (!allowPrivate && leadsInside(url.hostname))
    return `${url.origin} is this machine or a private network, which only allowPrivate allows`;
  if (url.protocol === 'http:' && !allowInsecure && !isLoopback(url.hostname))
    return `plain http would show the messages to the network, which only allowInsecure allows: ${url.origin}`;
  return undefined;
}

/** As far as the name itself tells. */
function leadsInside(hostname: string): boolean {
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return isIP(host) ? !isPublicAddress(host) : /(^|\.)localhost\.?$/.test(host);
}
