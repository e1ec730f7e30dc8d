/**
 * Owns what the doctor says of the list of protected people: how many of its entries are somebody whom the directory knows. An entry that is nobody protects
 * nobody, and a slip of the pen looks the same as somebody who has not been sent yet. Refuses to name entries, which are names: it counts them.
 */
import { digest } from '../directory/keys.ts';
import type { Store } from '../directory/store.ts';
import { foldEmail, foldUserName } from '../scim/fold.ts';
import { type DoctorCheck, pass, warn } from './check.ts';

const AT_ONCE = 200;
const SHOWN_MAX = 20;

/** Examines the list of one site; without a list there is nothing to say. */
export async function checkProtected(
  siteKey: string,
  entries: readonly string[],
  store: Pick<Store, 'redis' | 'prefix'>,
): Promise<DoctorCheck[]> {
  if (entries.length === 0) return [];
  const name = `${siteKey} protected people`;
  const people = await store.redis.hlen(`${store.prefix}references`);
  if (people === 0) return [pass(name, `${entries.length} on the list; nobody is in the directory yet to compare them with.`)];
  const missing: number[] = [];
  for (let at = 0; at < entries.length; at += AT_ONCE) {
    const known = await areKnown(entries.slice(at, at + AT_ONCE), store);
    known.forEach((isKnown, index) => {
      if (!isKnown) missing.push(at + index + 1);
    });
  }
  if (missing.length === 0) return [pass(name, `${entries.length} on the list, all of them in the directory.`)];
  const which = `${missing.slice(0, SHOWN_MAX).join(', ')}${missing.length > SHOWN_MAX ? ' …' : ''}`;
  return [
    warn(
      name,
      `${missing.length} of ${entries.length} entries of MAXIO_PROTECTED_FILE are nobody in the directory, so they protect nobody: number ${which}, not counting blank lines and comments.`,
      'Compare them with what maxio-scim person finds. People who have not been sent yet are right on the list; who was deleted is found by reference, externalId or SCIM id only.',
    ),
  ];
}

/** By the same five names as in provisioning/protected.ts, out of the indexes. */
async function areKnown(entries: readonly string[], { redis, prefix }: Pick<Store, 'redis' | 'prefix'>): Promise<boolean[]> {
  const pipeline = redis.pipeline();
  for (const entry of entries) {
    pipeline.hexists(`${prefix}userNames`, digest(foldUserName(entry)));
    pipeline.hexists(`${prefix}references`, entry);
    pipeline.scard(`${prefix}externalId:${digest(entry)}`);
    pipeline.scard(`${prefix}email:${digest(foldEmail(entry))}`);
    pipeline.exists(`${prefix}user:${entry}`);
  }
  const replies = (await pipeline.exec()) ?? [];
  for (const [error] of replies) if (error) throw error;
  return entries.map((_entry, at) => replies.slice(at * 5, at * 5 + 5).some(([, found]) => Number(found) > 0));
}
