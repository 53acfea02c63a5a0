import { BlockList, isIP, isIPv4 } from 'node:net';

const [NOT_PUBLIC_V4, NOT_PUBLIC_V6, GLOBAL_V6] = [new BlockList(), new BlockList(), new BlockList()];
for (const range of [
  '0.0.0.0/8', // this host
  '10.0.0.0/8', // private
  '100.64.0.0/10', // carrier-grade NAT, and the metadata of a cloud
  '127.0.0.0/8', // loopback
  '168.63.129.16/32', // the metadata of a cloud, at an address that looks public
  '169.254.0.0/16', // link-local, and the metadata of most clouds
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments, and the metadata of a cloud
  '192.0.2.0/24', // documentation
  '192.88.99.0/24', // 6to4 relays
  '192.168.0.0/16', // private
  '198.18.0.0/15', // benchmarks
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and broadcast
])
  add(NOT_PUBLIC_V4, range);
// Of IPv6 only this is handed out; loopback, link-local and unique local addresses lie outside.
add(GLOBAL_V6, '2000::/3');
for (const range of [
  '2001::/23', // protocol assignments, Teredo among them
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4, which leads to any IPv4 address
  '3fff::/20', // documentation
])
  add(NOT_PUBLIC_V6, range);

/** Whether an IP address belongs to the public internet, as far as its range tells. What is no IP address does not. */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 0 || address.includes('%')) return false;
  const v4 = isIPv4(address) ? address : embeddedIPv4(address);
  if (v4 !== undefined) return !NOT_PUBLIC_V4.check(v4, 'ipv4');
  return GLOBAL_V6.check(address, 'ipv6') && !NOT_PUBLIC_V6.check(address, 'ipv6');
}

/** The IPv4 address that an IPv6 address stands for: one that is mapped (`::ffff:…`), or behind NAT64 (`64:ff9b::…`). */
function embeddedIPv4(address: string): string | undefined {
  // A URL writes every spelling of it in one way.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const groups = /^(?:::ffff|64:ff9b:):(?:([0-9a-f]+):)?([0-9a-f]*)$/.exec(canonical);
  if (!groups) return undefined;
  const [high, low] = [groups[1], groups[2]].map((group) => Number.parseInt(group || '0', 16));
  return [high! >> 8, high! & 255, low! >> 8, low! & 255].join('.');
}

function add(list: BlockList, range: string): void {
  const [network, prefix] = range.split('/') as [string, string];
  list.addSubnet(network, Number(prefix), isIPv4(network) ? 'ipv4' : 'ipv6');
}
