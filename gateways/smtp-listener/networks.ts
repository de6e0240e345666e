// IP addresses of clients and networks in settings.
import { BlockList, isIP, isIPv6 } from 'node:net';

/** Whether `entry` is an address or a network as `192.0.2.0/24`. */
export function isNetwork(entry: string): boolean {
  try {
    addTo(new BlockList(), entry);
    return true;
  } catch {
    return false;
  }
}

/** Whether an address is one of these or in one of these networks. */
export function networks(entries: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const entry of entries) addTo(list, entry);
  return (address) => {
    const plain = plainOf(address);
    return isIP(plain) !== 0 && list.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4');
  };
}

function addTo(list: BlockList, entry: string): void {
  const [address = '', prefix] = entry.split('/');
  const family = isIPv6(address) ? 'ipv6' : 'ipv4';
  if (prefix === undefined) list.addAddress(address, family);
  else list.addSubnet(address, /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN, family);
}

/** The address under which a client is counted. */
export function keyOf(address: string): string {
  const plain = plainOf(address);
  if (!isIPv6(plain)) return plain;
  const [left = '', right] = plain.toLowerCase().split('::');
  const groups = (part: string) => part.split(':').filter(Boolean);
  const zeros = right === undefined ? 0 : 8 - groups(left).length - groups(right).length;
  const all = [...groups(left), ...Array<string>(Math.max(0, zeros)).fill('0'), ...groups(right ?? '')];
  return all.slice(0, 4).join(':');
}

/** Without the zone, and without the prefix that a listener for both families puts in front of IPv4. */
function plainOf(address: string): string {
  const [plain = ''] = address.split('%', 1);
  return plain.replace(/^::ffff:(?=\d+\.)/i, '');
}
