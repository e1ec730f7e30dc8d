/** How many wrong credentials somebody may show, on a clock of the test's own: what is counted, for how long, under which name, and that memory is bounded. */
import { describe, expect, it } from 'vitest';
import { Throttle, type ThrottleOptions } from '../../src/throttle.ts';

const HERE = '198.51.100.7';

function make(options: ThrottleOptions = {}) {
  const clock = { nowMs: 1_000_000 };
  const throttle = new Throttle({ failuresMax: 3, windowMs: 60_000, nowMs: () => clock.nowMs, ...options });
  const fail = (address: string, id?: string, times = 1): (number | undefined)[] =>
    Array.from({ length: times }, () => throttle.failed(address, id));
  return { clock, fail };
}

describe('S5 failed sign-ins', () => {
  it('are refused from the fourth on, with the seconds until the first one is a minute ago', () => {
    const { clock, fail } = make();
    expect(fail(HERE)).toEqual([undefined]);
    clock.nowMs += 20_500;
    expect(fail(HERE, undefined, 3)).toEqual([undefined, undefined, 40]);
    expect(fail('203.0.113.9')).toEqual([undefined]);
  });

  it('B49 are counted in a window that slides: never more than three in any minute, and going on does not lengthen it', () => {
    const { clock, fail } = make();
    const taken: number[] = [];
    for (let at = 0; at < 1_000; at += 1) {
      clock.nowMs += 333;
      if (fail(HERE)[0] === undefined) taken.push(clock.nowMs);
    }
    for (const [at, first] of taken.entries()) {
      const fourth = taken[at + 3];
      if (fourth !== undefined) expect(fourth - first).toBeGreaterThanOrEqual(60_000);
    }
    // Five and a half minutes: three at once, then three whenever a minute is over.
    expect(taken.length).toBeGreaterThanOrEqual(15);
  });

  it('are counted by token id as well, wherever they come from', () => {
    const { fail } = make();
    for (const from of ['198.51.100.1', '198.51.100.2', '198.51.100.3']) expect(fail(from, 'aaaaaaaaaaaa')).toEqual([undefined]);
    expect(fail('198.51.100.4', 'aaaaaaaaaaaa')).toEqual([60]);
    expect(fail('198.51.100.4', 'bbbbbbbbbbbb')).toEqual([undefined]);
  });

  it.each([
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', true],
    ['2001:db8:1:2::1', '2001:0DB8:0001:0002::9', true],
    ['fe80::1%eth0', 'fe80::2%eth1', true],
    ['::1', '0:0:0:0:9::', true],
    ['::ffff:198.51.100.7', '198.51.100.7', true],
    ['x'.repeat(9_000), 'unknown', true],
    ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
    ['198.51.100.7', '198.51.100.8', false],
  ])('of %s and %s count together: %s', (one, other, together) => {
    const { fail } = make();
    fail(one, undefined, 3);
    expect(fail(other)[0] !== undefined).toBe(together);
  });

  it('are remembered for so many addresses only, the latest ones', () => {
    const { fail } = make({ keysMax: 100 });
    fail(HERE, undefined, 3);
    for (let at = 0; at < 99; at += 1) fail(`10.0.0.${at}`);
    expect(fail(HERE)[0]).toBeDefined();
    fail('10.0.1.1');
    expect(fail(HERE)).toEqual([undefined]);
  });
});
