/**
 * Owns the view that the HTTP edge has of one Maxio site: who may enter, which dialect they speak, whose people they see.
 * Refuses to know Maxio, Redis and queues; `Users` rings its own bell after a commit.
 * The bearer token alone selects the door (RFC 7644 §2): nothing in path, body or Host header ever names a site.
 */
import type { ClientBook } from '../directory/client-book.ts';
import type { Gate } from '../directory/gate.ts';
import type { Groups } from '../directory/groups.ts';
import type { TokenBook } from '../directory/token-book.ts';
import type { Users } from '../directory/users.ts';
import type { Secret } from '../secret.ts';

export type Accepting = { ok: true } | { ok: false; detail: string; retryAfterSeconds: number };

export interface SiteDoor {
  /** `<region>.<subdomain>`; a label in metrics and logs. */
  key: string;
  /** Decides the status of a back-pressure answer, nothing else. */
  idp: 'okta' | 'entra' | 'generic';
  /** The token of the configuration; `undefined`: there are only those that operators have made. */
  token?: Secret | undefined;
  /** The last moment at which the token of the configuration is accepted; `undefined`: for ever. */
  tokenExpires?: Date | undefined;
  /** The tokens that operators have made; absent: there are none of that kind. */
  book?: Pick<TokenBook, 'find' | 'used' | 'loaded'> | undefined;
  /** The OAuth clients that operators have made; absent: no access token opens this door. */
  clients?: Pick<ClientBook, 'client' | 'credential' | 'credentials' | 'used' | 'loaded' | 'firstUse'> | undefined;
  /** From where its tokens are accepted; absent: from everywhere. */
  gate?: Pick<Gate, 'admits'> | undefined;
  users: Users;
  groups: Groups;
  /** Asked before every write: may the backlog of this site grow? @param leaving by a write that only takes away */
  accepting(leaving: boolean): Accepting;
}
