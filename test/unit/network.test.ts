/**
 * Networks as operators write them and addresses as sockets and proxies show them: every form of one address is the same address, and nothing that is not one
 * is in any network. Membership is compared with a second, plain implementation over random input; the seed of each run is printed.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from '../../src/config.ts';
import { Networks, plainAddress } from '../../src/network.ts';

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
console.log(`network: SEED=${seed}`);

describe('an address', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.7:51234', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::FFFF:203.0.113.7', '203.0.113.7'],
    ['[::ffff:203.0.113.7]:443', '203.0.113.7'],
    ['2001:DB8::1', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['[2001:db8::1]:8443', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
  ])('%s is read as %s', (text, plain) => expect(plainAddress(text)).toBe(plain));

  it.each([
    '',
    'unknown',
    '_hidden',
    '203.0.113',
    '203.0.113.256',
    '0xcb.0.0.1',
    '3405803783',
    '203.0.113.7:',
    '[203.0.113.7]:1',
    '::1:x',
    '1.2.3.4, 5.6.7.8',
    '1.2.3.4\n',
  ])('%j is none, and is in no network', (text) => {
    expect(plainAddress(text)).toBeUndefined();
    expect(Networks.parse(['0.0.0.0/0', '::/0']).has(text)).toBe(false);
  });
});

describe('a list of networks', () => {
  it('holds what it names, in every form of the address, and nothing else', () => {
    const networks = Networks.parse(['203.0.113.0/24', '198.51.100.7', '2001:db8:40::/44', '::1']);
    for (const inside of [
      '203.0.113.0',
      '203.0.113.255:80',
      '::ffff:203.0.113.9',
      '::ffff:cb00:7109',
      '198.51.100.7',
      '2001:db8:4f:ffff::1',
      '[::1]:5',
    ])
      expect([inside, networks.has(inside)]).toEqual([inside, true]);
    for (const outside of ['203.0.112.255', '203.0.114.0', '198.51.100.8', '2001:db8:50::1', '::2', '::ffff:198.51.100.6'])
      expect([outside, networks.has(outside)]).toEqual([outside, false]);
    expect(String(networks)).toBe('203.0.113.0/24, 198.51.100.7, 2001:db8:40::/44, ::1');
  });

  it('keeps the families apart: all of IPv6 is not all of IPv4', () => {
    expect(Networks.parse(['::/0']).has('203.0.113.7')).toBe(false);
    expect(Networks.parse(['0.0.0.0/0']).has('2001:db8::1')).toBe(false);
  });

  it('agrees with arithmetic on random networks and addresses', () => {
    const octets = fc.tuple(...Array.from({ length: 4 }, () => fc.integer({ min: 0, max: 255 })));
    const groups = fc.tuple(...Array.from({ length: 8 }, () => fc.integer({ min: 0, max: 0xffff })));
    const value = (parts: readonly number[], width: bigint): bigint =>
      parts.reduce((sum, part) => (sum << width) | BigInt(part), 0n);
    const holds = (net: bigint, address: bigint, bits: number, all: number): boolean =>
      net >> BigInt(all - bits) === address >> BigInt(all - bits);
    // Addresses near the network: the same but for one bit.
    const near = (parts: readonly number[], bit: number, width: number): number[] =>
      parts.map((part, at) => (at === Math.floor(bit / width) ? part ^ (1 << (bit % width)) : part));
    fc.assert(
      fc.property(octets, fc.integer({ min: 0, max: 32 }), fc.integer({ min: 0, max: 31 }), octets, (net, bits, bit, far) => {
        const networks = Networks.parse([`${net.join('.')}/${bits}`]);
        for (const address of [near(net, bit, 8), far])
          expect(networks.has(address.join('.'))).toBe(holds(value(net, 8n), value(address, 8n), bits, 32));
      }),
      { seed, numRuns: 1_000 },
    );
    const text = (parts: readonly number[]): string => parts.map((part) => part.toString(16)).join(':');
    fc.assert(
      fc.property(groups, fc.integer({ min: 0, max: 128 }), fc.integer({ min: 0, max: 127 }), groups, (net, bits, bit, far) => {
        fc.pre(net[0] !== 0 && far[0] !== 0);
        const networks = Networks.parse([`${text(net)}/${bits}`]);
        for (const address of [near(net, bit, 16), far])
          expect(networks.has(text(address))).toBe(holds(value(net, 16n), value(address, 16n), bits, 128));
      }),
      { seed, numRuns: 1_000 },
    );
  });

  it('never throws and never lets anything in for random text', () => {
    const networks = Networks.parse(['203.0.113.0/24', '2001:db8::/32']);
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'0123456789abcdef.:[]%/, \u0000é') }), (text) => {
        const plain = plainAddress(text);
        expect(networks.has(text)).toBe(plain !== undefined && /^203\.0\.113\.|^2001:0?db8:/.test(plain));
      }),
      { seed, numRuns: 2_000 },
    );
  });
});

describe('in the configuration', () => {
  const minimal = {
    REDIS_URL: 'redis://localhost:6379',
    MAXIO_SUBDOMAIN: 'acme',
    MAXIO_API_KEY: 'a-key-of-the-site',
    SCIM_TOKEN: '5c1m-0123456789abcdef',
    OPS_TOKEN: '0p5-fedcba9876543210',
  };
  const folder = mkdtempSync(join(tmpdir(), 'maxio-scim-networks-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  function problemsOf(env: Record<string, string>): string[] {
    try {
      readConfig(env);
    } catch (error) {
      if (error instanceof ConfigError) return error.problems;
      throw error;
    }
    return [];
  }

  it('S7: nobody is believed about addresses unless TRUSTED_PROXIES names them', () => {
    expect(readConfig(minimal).trustedProxies).toBeUndefined();
    const { trustedProxies } = readConfig({ ...minimal, TRUSTED_PROXIES: '10.20.0.4, 10.20.0.5/32\n2001:db8::/64' });
    expect(['10.20.0.4', '10.20.0.6', '2001:db8::77'].map((hop) => trustedProxies?.has(hop))).toEqual([true, false, true]);
  });

  it.each([
    'true',
    '1',
    '*',
    'loopback',
    'uniquelocal',
    'proxy.example.com',
    '0.0.0.0/0',
    '::/0',
    '0.0.0.0/1,128.0.0.0/1',
    '8000::/1',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '::ffff:10.0.0.1',
    ',',
    ' ',
  ])('S7: the service does not start with TRUSTED_PROXIES=%j', (value) => {
    const problems = problemsOf({ ...minimal, TRUSTED_PROXIES: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^TRUSTED_PROXIES must (be addresses or networks|name |have a prefix)/);
  });

  it('S6: a site takes tokens from everywhere, or from the networks of SCIM_ALLOW_FROM', () => {
    expect(readConfig(minimal).sites[0]?.allowFrom).toBeUndefined();
    const allowFrom = readConfig({ ...minimal, SCIM_ALLOW_FROM: '203.0.113.0/24,2001:db8::/32' }).sites[0]?.allowFrom;
    expect(['203.0.113.7', '203.0.114.7', '2001:db8::7'].map((address) => allowFrom?.has(address))).toEqual([true, false, true]);
  });

  it('S6: a list that cannot be read is a reason not to start, never an open door', () => {
    expect(problemsOf({ ...minimal, SCIM_ALLOW_FROM: '203.0.113.0/24,okta.com' })).toEqual([
      expect.stringContaining(
        'SCIM_ALLOW_FROM must be addresses or networks such as 203.0.113.0/24 or 2001:db8::/32, not "okta.com"',
      ),
    ]);
    expect(problemsOf({ ...minimal, SCIM_ALLOW_FROM: ',' })).toEqual([expect.stringContaining('must name at least one network')]);
  });

  it('S6: in SITES_FILE each site has its own, as a variable or as a list', () => {
    const site = (name: string, more: object): object => ({
      MAXIO_SUBDOMAIN: name,
      MAXIO_API_KEY: `key-of-${name}-0123`,
      SCIM_TOKEN: `token-of-${name}-0123456789`,
      ...more,
    });
    const read = (...sites: object[]) => {
      const file = join(folder, 'sites.json');
      writeFileSync(file, JSON.stringify(sites));
      return { REDIS_URL: minimal.REDIS_URL, OPS_TOKEN: minimal.OPS_TOKEN, SITES_FILE: file };
    };
    const config = readConfig(
      read(
        site('one', { allowFrom: ['203.0.113.0/24', '198.51.100.7'] }),
        site('two', { SCIM_ALLOW_FROM: '192.0.2.0/24' }),
        site('three', { allowFrom: null }),
      ),
    );
    expect(config.sites.map(({ allowFrom }) => allowFrom && String(allowFrom))).toEqual([
      '203.0.113.0/24, 198.51.100.7',
      '192.0.2.0/24',
      undefined,
    ]);
    for (const wrong of ['203.0.113.0/24', [], [7], ['']])
      expect(problemsOf(read(site('one', { allowFrom: wrong })))).toEqual([
        expect.stringContaining('allowFrom must be a list of addresses or networks'),
      ]);
    const both = read(site('one', { allowFrom: ['203.0.113.0/24'], SCIM_ALLOW_FROM: '203.0.113.0/24' }));
    expect(problemsOf(both)).toEqual([expect.stringContaining('both set')]);
  });
});
