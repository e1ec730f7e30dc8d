/**
 * Owns what the doctor says of the SCIM tokens that operators have made: whether the identity provider can enter at all, and which token ends when.
 * Refuses to reach out: list and time are handed in. The token of the configuration has a line of its own (check-config.ts).
 */
import { standingOf } from '../directory/token-expiry.ts';
import type { TokenList } from '../directory/tokens.ts';
import { type DoctorCheck, fail, pass, warn } from './check.ts';

const DAY_MS = 86_400_000;
const EXPIRY_NOTICE_DAYS = 30;

/** Examines the tokens of one site; nothing to say where SCIM_TOKEN is all there is, or where OAuth clients enter. */
export function checkTokens(siteKey: string, list: TokenList, nowMs: number, clients = 0): DoctorCheck[] {
  const name = `${siteKey} SCIM tokens`;
  const make = `maxio-scim token create --site ${siteKey}`;
  const { live, first } = standingOf(list, nowMs);
  const made = list.tokens.filter(({ state }) => state !== 'revoked');
  if (made.length === 0) {
    if (list.configured !== undefined || clients > 0) return [];
    return [fail(name, 'There is none, and SCIM_TOKEN is not set: every request of the identity provider is refused.', make)];
  }
  if (first !== undefined && first.expiresMs <= nowMs && first.id !== undefined) {
    const finding = `${first.id} expired on ${day(first.expiresMs)}${live === 0 ? ' and no other is live' : ', after no other was used'}; the identity provider is refused.`;
    return [fail(name, finding, `${make}, then put the new token into the provisioning settings of the identity provider.`)];
  }
  return made
    .filter(({ state }) => state === 'live')
    .map(({ id, expiresMs, lastUsedMs }) => {
      const use = lastUsedMs === undefined ? 'never used' : `last used on ${day(lastUsedMs)}`;
      const days = Math.floor((expiresMs - nowMs) / DAY_MS);
      if (days >= EXPIRY_NOTICE_DAYS) return pass(name, `${id} is accepted until ${day(expiresMs)}; ${use}.`);
      const cure = `${make}, put the new token into the identity provider, then maxio-scim token revoke ${id} --site ${siteKey}.`;
      return warn(name, `${id} expires on ${day(expiresMs)}, in ${days} days; ${use}.`, cure);
    });
}

function day(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}
