/**
 * Owns the view that the HTTP edge has of one Maxio site: who may enter, which dialect they speak, whose people they see.
 * Refuses to know Maxio, Redis and queues; `Users` rings its own bell after a commit.
 * The bearer token alone selects the door (RFC 7644 §2): nothing in path, body or Host header ever names a site.
 */
import type { Users } from '../directory/users.ts';
import type { Secret } from '../secret.ts';

export type Accepting = { ok: true } | { ok: false; detail: string; retryAfterSeconds: number };

export interface SiteDoor {
  /** `<region>.<subdomain>`; a label in metrics and logs. */
  key: string;
  /** Decides the status of a back-pressure answer, nothing else. */
  idp: 'okta' | 'entra' | 'generic';
  token: Secret;
  /** The last moment at which the token is accepted; `undefined`: for ever. */
  tokenExpires?: Date | undefined;
  users: Users;
  /** Asked before every write: may the backlog of this site grow? */
  accepting(): Accepting;
}
