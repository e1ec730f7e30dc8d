/**
 * Owns what the doctor says of the OAuth clients of a site: whether what they are given opens anything, and which secret or key ends when.
 * Refuses to reach out: the list and the time are handed in.
 */
import type { ClientRow } from '../directory/clients.ts';
import { type DoctorCheck, fail, pass, warn } from './check.ts';

const DAY_MS = 86_400_000;
const EXPIRY_NOTICE_DAYS = 30;

/** Examines the clients of one site; nothing to say where there are none. @param offered whether access tokens are given out */
export function checkClients(
  siteKey: string,
  { clients, offered }: { clients: readonly ClientRow[]; offered: boolean },
  nowMs: number,
): DoctorCheck[] {
  const name = `${siteKey} OAuth clients`;
  const live = clients.filter(({ state }) => state === 'live');
  if (live.length === 0) return [];
  if (!offered) {
    const finding = 'There are clients, and OAUTH_SIGNING_KEY is not set: none of them gets a token.';
    return [
      fail(
        name,
        finding,
        'Set OAUTH_SIGNING_KEY or OAUTH_SIGNING_KEY_FILE (openssl rand -hex 32), the same for every process, and restart.',
      ),
    ];
  }
  return live.flatMap(({ id, credentials }) => {
    const good = credentials.filter(({ state }) => state === 'live');
    const cure = `maxio-scim client add-secret ${id} --site ${siteKey}, then put the new secret into the identity provider.`;
    if (good.length === 0)
      return [fail(name, `${id} has nothing to sign in with that is still good; the identity provider gets no token.`, cure)];
    return good.map(({ id: credential, kind, expiresMs, lastUsedMs }) => {
      const use = lastUsedMs === undefined ? 'never used' : `last used on ${day(lastUsedMs)}`;
      if (expiresMs === undefined)
        return pass(name, `${id} comes by a trusted issuer (${credential}), until that is revoked; ${use}.`);
      const days = Math.floor((expiresMs - nowMs) / DAY_MS);
      if (days >= EXPIRY_NOTICE_DAYS)
        return pass(name, `${kind} ${credential} of ${id} is accepted until ${day(expiresMs)}; ${use}.`);
      return warn(name, `${kind} ${credential} of ${id} expires on ${day(expiresMs)}, in ${days} days; ${use}.`, cure);
    });
  });
}

function day(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}
