/**
 * Owns sets of networks: lists of CIDRs that an operator has written, and whether an address is in one of them.
 * Refuses names, wildcards and host names, because what they stand for changes behind the back of whoever wrote them. Addresses come from sockets and from the
 * header of a proxy, so they are read in every form those use: IPv4 in the clothes of IPv6, with a zone, with a port. RFC 4632, RFC 4291 §2.5.5.2, RFC 4007 §11.
 */
import { BlockList, isIP } from 'node:net';

const CIDR = /^([0-9a-f.:]+)(?:\/(0|[1-9]\d{0,2}))?$/i;

/** Reads the address off `1.2.3.4`, `1.2.3.4:567`, `::1`, `::1%eth0`, `[::1]`, `[::1]:567`, and IPv4 off `::ffff:1.2.3.4`; `undefined` for anything else. */
export function plainAddress(text: string): string | undefined {
  const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text)?.[1];
  const withPort = /^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/.exec(text)?.[1];
  const [plain = ''] = (bracketed ?? withPort ?? text).split('%');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1];
  const address = mapped ?? plain;
  return isIP(address) === 0 || (bracketed !== undefined && isIP(plain) !== 6) ? undefined : address.toLowerCase();
}

/**
 * Names whose wrong tries are counted as one. Whoever has one address of IPv6 has its whole /64; IPv4 in the clothes of IPv6 is IPv4, and some proxies add
 * the port. What is no address is all one: it comes out of a header, where whoever writes it could be somebody else each time.
 */
export function networkOf(address: string): string {
  const plain = plainAddress(address);
  if (plain === undefined) return 'unreadable';
  if (isIP(plain) === 4) return plain;
  const [head = '', tail] = plain.split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...first, ...Array<string>(Math.max(0, 8 - first.length - last.length)).fill('0'), ...last];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}

export class Networks {
  /** One list for each family: in a common one a wide network of IPv6 would hold all of IPv4 as well. */
  readonly #lists = { ipv4: new BlockList(), ipv6: new BlockList() };
  readonly #texts: readonly string[];

  private constructor(texts: readonly string[]) {
    this.#texts = texts;
  }

  /** @param widest the shortest prefixes that are accepted @throws Error that names what is not a network, to follow "must" */
  static parse(texts: readonly string[], widest: { ipv4: number; ipv6: number } = { ipv4: 0, ipv6: 0 }): Networks {
    const networks = new Networks(texts);
    for (const text of texts) {
      const { address, bits, family } = read(text);
      if (bits < widest[family]) throw new Error(`name networks of /${widest[family]} or smaller; ${text} is nearly everybody`);
      networks.#lists[family].addSubnet(address, bits, family);
    }
    return networks;
  }

  has(address: string): boolean {
    const plain = plainAddress(address);
    if (plain === undefined) return false;
    const { ipv4, ipv6 } = this.#lists;
    if (isIP(plain) === 4) return ipv4.check(plain, 'ipv4');
    // The first list knows IPv4 written as `::ffff:a01:101`, too.
    return ipv4.check(plain, 'ipv6') || ipv6.check(plain, 'ipv6');
  }

  toString(): string {
    return this.#texts.join(', ');
  }
}

function read(text: string): { address: string; bits: number; family: 'ipv4' | 'ipv6' } {
  const shown = text.slice(0, 60);
  const [, address = '', length] = CIDR.exec(text) ?? [];
  const version = isIP(address);
  if (version === 0)
    throw new Error(`be addresses or networks such as 203.0.113.0/24 or 2001:db8::/32, not ${JSON.stringify(shown)}`);
  // Two ways to write one network: which of them counts should not depend on who reads it.
  if (/^::ffff:.*\./i.test(address)) throw new Error(`name IPv4 networks as such, not as ${shown}`);
  const bitsMax = version === 4 ? 32 : 128;
  const bits = length === undefined ? bitsMax : Number(length);
  if (bits > bitsMax) throw new Error(`have a prefix of at most /${bitsMax}, not ${shown}`);
  return { address, bits, family: version === 4 ? 'ipv4' : 'ipv6' };
}
