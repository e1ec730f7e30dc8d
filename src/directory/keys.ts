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
 * | begun, unfinished | set, hash | ids for whom a run is at work, or was and has never ended; id -> how many never ended since the person last settled or was parked |
 * | site | hash | what this data belongs to: Maxio's site id, test flag and name; the epoch of this data, since when, the ones before it, where a recovery stands |
 * | unclaimed | zset | ids of people whom a rebuild has found at Maxio and nobody has sent since |
 * | rebuild | hash | order and progress of the last rebuild |
 * | mode | hash | mode of the site, by whom, since when, why, and when it was first released |
 * | active | set | ids of people who are active and not deleted |
 * | losses, lossCents | zset, hash | people who left within a day, by the moment, without those an operator has decided about; their cents a month |
 * | guard | hash | since when and why leaves are held, last loss, sums of cents: lost, active, held; whether `active` is complete |
 * | held, exempt | zset | ids whose leave waits for a decision, or is not to be acted on, by the moment of that |
 * | rounds | string | token of the process that makes the rounds |
 * | surveyState, surveyPages | hash, hash | where the survey stands; when each page of the pass was read |
 * | index | hash | number of the current pass and of the one being built; from where changes are asked for: event id, moments |
 * | index:N:customers, index:N:subscriptions | hash, hash | rows of pass N of the survey, by id |
 * | index:N:references | hash | reference -> customer id |
 * | index:N:emails, index:N:owners | zset, zset | half a digest of the folded address, or customer id, then `:` and the id of the row |
 * | links, linkReferences | hash, hash | customer id -> the link an operator approved and how it went; its reference -> customer id |
 * | linkQueue, linkFailures | zset, zset | customer ids whose link is to be carried out, from when on; or was refused by Maxio |
 * | linkWaiters | zset | ids of people for whom something was decided, until they go on |
 * | separate | hash | customer id, `:` and reference -> who decided that the two are not one person |
 * | configuration | hash | by which configuration runs act, the one that waits for approval, and what each live worker process would like |
 * | drift, driftRows, driftRepairs | hash, hash, hash | the last report of differences; its rows, by person; when a difference was repaired last |
 * | webhook:DIGEST | string | a webhook that was here, for 90 days |
 * | touched, touchedNews | zset, hash | customer ids that webhooks told of, by the moment; what they said |
 * | notices | hash | subject -> since when it holds and what each channel has been told of it |
 */
import { createHash } from 'node:crypto';

export function sitePrefix(siteKey: string): string {
  return `scim:{${siteKey}}:`;
}

export function digest(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex').slice(0, 40);
}
