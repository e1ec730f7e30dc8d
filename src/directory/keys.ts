/**
 * Owns every key name of the directory. All keys of a site share one hash tag, so one script may touch them together.
 * Refuses to put anything a client has sent into a key: names and addresses enter as digests.
 *
 * | key | type | holds |
 * |---|---|---|
 * | user:ID | hash | one record, tombstones included |
 * | userNames | hash | digest of the folded userName -> id, people who are not deleted |
 * | references | hash | Maxio reference -> id, for ever |
 * | externalId:DIGEST, email:DIGEST | set | ids; externalId keeps tombstones, for rehire |
 * | order, sequence | zset, counter | ids in order of creation, for stable pages |
 * | dirty | zset | ids whose desired state is not settled, by the first moment of dirtiness |
 * | urgent | zset | the part of `dirty` that should stop being billed |
 * | due | zset | ids waiting for their next attempt, by its time; the sweep leaves them alone until then |
 * | parked | zset | ids Maxio or a rule has refused, by the moment of parking |
 * | audit, auditClock | stream, hash | entries with a gap-free `seq`; last used time and seq |
 * | story:ID | list | audit entry ids of one person, newest last, bounded |
 * | lease:ID | string | token of the run that may act for this person |
 * | site | hash | what this data belongs to: Maxio's site id, test flag and name |
 */
import { createHash } from 'node:crypto';

export function sitePrefix(siteKey: string): string {
  return `scim:{${siteKey}}:`;
}

export function digest(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex').slice(0, 40);
}
