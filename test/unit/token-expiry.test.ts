/** Which token of a site ends first, for /health, metrics, notices and the doctor: a rotation that is over calls nobody, an end that cuts off the IdP does. */
import { describe, expect, it } from 'vitest';
import { standingOf } from '../../src/directory/token-expiry.ts';
import type { ConfiguredToken, TokenRow } from '../../src/directory/tokens.ts';
import { checkTokens } from '../../src/doctor/check-tokens.ts';

const DAY = 86_400_000;
const NOW = Date.parse('2027-01-15T12:00:00Z');

/** @param endsIn days @param usedBefore days; absent: never used */
function token(id: string, endsIn: number, usedBefore?: number, revoked = false): TokenRow {
  const state = revoked ? 'revoked' : endsIn <= 0 ? 'expired' : 'live';
  const lastUsedMs = usedBefore === undefined ? undefined : NOW - usedBefore * DAY;
  return { id, state, createdMs: NOW - 400 * DAY, expiresMs: NOW + endsIn * DAY, by: 'anna', note: '', lastUsedMs };
}

function of(tokens: TokenRow[], configured?: ConfiguredToken) {
  return { tokens, configured };
}

const OWN: ConfiguredToken = { expiresMs: undefined, lastUsedMs: undefined };

describe('S3 the token that ends first', () => {
  it.each([
    ['none at all', of([]), 0, undefined],
    ['SCIM_TOKEN without an end', of([], OWN), 1, undefined],
    ['SCIM_TOKEN with one', of([], { ...OWN, expiresMs: NOW + DAY }), 1, 'SCIM_TOKEN'],
    ['the earlier of two', of([token('b', 300), token('a', 20)]), 2, 'a'],
    ['a revoked one never', of([token('a', 20, 1, true), token('b', 300)]), 1, 'b'],
    ['the only one, after its end', of([token('a', -1, 1)]), 0, 'a'],
    ['one that has ended in use, while another was never used', of([token('b', 300), token('a', -1, 1)]), 1, 'a'],
    ['not one that has ended after another took over', of([token('b', 300, 1), token('a', -1, 9)]), 1, 'b'],
    ['SCIM_TOKEN, ended in use', of([token('b', 300)], { expiresMs: NOW - DAY, lastUsedMs: NOW - DAY }), 1, 'SCIM_TOKEN'],
    ['of two that have ended the one used last', of([token('a', -3, 9), token('b', -2, 2)]), 0, 'b'],
  ])('is %s', (_, list, live, id) => {
    const standing = standingOf(list, NOW);
    expect(standing.live).toBe(live);
    expect(standing.first && (standing.first.id ?? 'SCIM_TOKEN')).toBe(id);
  });
});

describe('S3 the doctor', () => {
  const look = (list: Parameters<typeof checkTokens>[1]) => checkTokens('us.acme', list, NOW);

  it('fails where no token is left, and says nothing where SCIM_TOKEN is all there is', () => {
    expect(look(of([]))).toEqual([
      expect.objectContaining({ status: 'fail', name: 'us.acme SCIM tokens', cure: 'maxio-scim token create --site us.acme' }),
    ]);
    expect(look(of([token('a', 20, 1, true)]))).toEqual([expect.objectContaining({ status: 'fail' })]);
    expect(look(of([], OWN))).toEqual([]);
  });

  it.each([
    [30.5, 'pass', 'accepted until'],
    [29.5, 'warn', 'in 29 days'],
    [0.5, 'warn', 'in 0 days'],
    [-0.5, 'fail', 'expired on'],
  ])('a token %d days before its end: %s', (days, status, words) => {
    const [check] = look(of([token('abcdefghijkl', days, 1)]));
    expect(check).toMatchObject({ status, finding: expect.stringContaining(words) });
    expect(check?.finding).toContain('abcdefghijkl');
    expect(check?.cure === '').toBe(status === 'pass');
  });
});
