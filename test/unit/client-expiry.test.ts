/** The end of what OAuth clients sign in with: which ends first, what the doctor and the notices say, and that a finished rotation calls nobody. */
import { describe, expect, it } from 'vitest';
import { standingOf } from '../../src/directory/client-expiry.ts';
import type { ClientRow, CredentialRow } from '../../src/directory/clients.ts';
import { checkClients } from '../../src/doctor/check-clients.ts';

const DAY = 86_400_000;
const NOW = Date.parse('2027-01-15T12:00:00Z');

function credential(id: string, endsIn: number | undefined, more: Partial<CredentialRow> = {}): CredentialRow {
  const expiresMs = endsIn === undefined ? undefined : NOW + endsIn * DAY;
  const state = more.revokedMs !== undefined ? 'revoked' : expiresMs !== undefined && expiresMs <= NOW ? 'expired' : 'live';
  return {
    id,
    kind: endsIn === undefined ? 'trust' : 'secret',
    state,
    createdMs: NOW - 400 * DAY,
    expiresMs,
    by: 'anna',
    ...more,
  };
}

function client(id: string, credentials: CredentialRow[], state: ClientRow['state'] = 'live'): ClientRow {
  return { id, state, note: '', createdMs: NOW - 400 * DAY, by: 'anna', credentials };
}

const used = (daysAgo: number): Partial<CredentialRow> => ({ lastUsedMs: NOW - daysAgo * DAY });

describe('S3 what ends first', () => {
  it.each<[string, ClientRow[], number, string | undefined]>([
    ['nothing without clients', [], 0, undefined],
    ['nothing where only an issuer is trusted', [client('c', [credential('t', undefined)])], 1, undefined],
    ['the earlier of two', [client('c', [credential('a', 20), credential('b', 300)])], 2, 'a'],
    ['the only one, after its end', [client('c', [credential('a', -1, used(1))])], 0, 'a'],
    ['not one that was left behind', [client('c', [credential('a', -1, used(9)), credential('b', 300, used(1))])], 1, 'b'],
    ['one that has ended in use', [client('c', [credential('a', -1, used(1)), credential('b', 300)])], 1, 'a'],
    ['not a revoked one', [client('c', [credential('a', 2, { revokedMs: NOW }), credential('b', 300)])], 1, 'b'],
    ['not one of a revoked client', [client('c', [credential('a', 2)], 'revoked'), client('d', [credential('b', 90)])], 1, 'b'],
  ])('is %s', (_, rows, live, first) => {
    const standing = standingOf(rows);
    expect(standing.live).toBe(live);
    expect(standing.first?.id).toBe(first);
  });
});

describe('the doctor', () => {
  const look = (rows: ClientRow[], offered = true) =>
    checkClients('us.acme', { clients: rows, offered }, NOW).map(({ status, finding }) => [status, finding]);

  it('says nothing where there is no client', () => {
    expect(look([client('c', [credential('a', 9)], 'revoked')])).toEqual([]);
  });

  it('fails where clients have nothing to sign in with, or no token is given out', () => {
    expect(look([client('c', [credential('a', -1)])])).toEqual([
      ['fail', expect.stringContaining('c has nothing to sign in with')],
    ]);
    expect(look([client('c', [credential('a', 90)])], false)).toEqual([['fail', expect.stringContaining('OAUTH_SIGNING_KEY')]]);
  });

  it('warns thirty days before the end', () => {
    expect(look([client('c', [credential('a', 29, used(1)), credential('b', 31), credential('t', undefined)])])).toEqual([
      ['warn', expect.stringMatching(/^secret a of c expires on 2027-02-13, in 29 days; last used on 2027-01-14/)],
      ['pass', expect.stringMatching(/^secret b of c is accepted until 2027-02-15; never used/)],
      ['pass', expect.stringContaining('until that is revoked')],
    ]);
  });
});
