/**
 * Owns turning an access token into its caller: the token is ours and in date, and client and credential still stand.
 * Refuses a token whose client or credential was ended meanwhile: that is looked up in memory with every request, so it is in force within seconds.
 */
import { DirectoryUnavailable } from '../directory/unavailable.ts';
import type { AccessTokens } from './access-token.ts';
import type { AuthFailure, Caller } from './auth.ts';
import type { SiteDoor } from './site-door.ts';

/** Creates the check that auth.ts asks about everything that has the shape of a JWT. */
export function createIssuedCheck(
  sites: readonly SiteDoor[],
  tokens: AccessTokens,
  nowMs: () => number = Date.now,
): (text: string) => Promise<Caller | AuthFailure> {
  return async (text) => {
    const grant = await tokens.read(text);
    if (typeof grant === 'string') return grant;
    const door = sites.find(({ key }) => key === grant.site);
    if (door === undefined) return 'unknown';
    const client = door.clients?.client(grant.client);
    const credential = door.clients?.credential(grant.client, grant.credential);
    if (client === undefined || credential === undefined) {
      if (door.clients?.loaded === false) throw new DirectoryUnavailable('the OAuth clients could not be read yet', 5);
      // It was given out, so whatever is gone was ended long ago.
      return 'revoked';
    }
    if (client.revoked || credential.revoked) return 'revoked';
    if (nowMs() >= credential.expiresMs) return 'expired';
    return { door, actor: `oauth:${grant.client}` };
  };
}
