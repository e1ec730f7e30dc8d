/**
 * Owns the check of the API key: HTTP Basic, the key as the user name, any password.
 * Refuses scopes and sessions, which this API does not have. Answers to "Authentication" of developers.maxio.com.
 */
import { timingSafeEqual } from 'node:crypto';

/** Tells whether an Authorization header carries the key. */
export function isAuthorized(header: string | undefined, apiKey: string): boolean {
  const [, encoded] = /^Basic\s+(\S+)\s*$/i.exec(header ?? '') ?? [];
  if (encoded === undefined) return false;
  const [user = ''] = Buffer.from(encoded, 'base64').toString('utf8').split(':', 1);
  const given = Buffer.from(user);
  const wanted = Buffer.from(apiKey);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
