/**
 * Owns the judgement what of all that OAuth clients sign in with ends first, of what anybody would notice. Pure.
 * One that has ended while another one of the same client is in use is a finished rotation, and nobody is called for it.
 */
import type { ClientRow, CredentialRow } from './clients.ts';

export interface ClientStanding {
  /** How many secrets, keys and trusts open the door now. */
  live: number;
  first?: { client: string; id: string; kind: CredentialRow['kind']; expiresMs: number };
}

/** Judge the clients of a site. */
export function standingOf(rows: readonly ClientRow[]): ClientStanding {
  const own = rows.filter(({ state }) => state === 'live').map(({ id, credentials }) => ofOne(id, credentials));
  const first = own.flatMap((one) => one.first ?? []).toSorted((a, b) => a.expiresMs - b.expiresMs)[0];
  const live = own.reduce((sum, one) => sum + one.live, 0);
  return first === undefined ? { live } : { live, first };
}

function ofOne(client: string, rows: readonly CredentialRow[]): ClientStanding {
  const known = rows.filter(({ state }) => state !== 'revoked');
  const live = known.filter(({ state }) => state === 'live');
  const newestUseMs = Math.max(0, ...live.map(({ lastUsedMs = 0 }) => lastUsedMs));
  const isMissed = ({ state, lastUsedMs = 0 }: CredentialRow): boolean =>
    state === 'expired' && (live.length === 0 || lastUsedMs > newestUseMs);
  const ending = [...known.filter(isMissed), ...live].flatMap(({ id, kind, expiresMs }) =>
    expiresMs === undefined ? [] : [{ client, id, kind, expiresMs }],
  );
  const first = ending.toSorted((a, b) => a.expiresMs - b.expiresMs)[0];
  return first === undefined ? { live: live.length } : { live: live.length, first };
}
