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
 * | group:ID | hash | one group, without its members |
 * | members:ID | zset | ids of the people in a group, in order of joining; the other direction is the field `groups` of user:ID |
 * | groupOrder, groupSequence | zset, counter | ids of groups in order of creation |
 * | groupNames | hash | digest of the folded displayName -> id |
 * | groupExternalId:DIGEST | set | ids of groups |
 * | groupLabels | hash | id -> displayName and externalId (JSON), for showing the groups of people without reading the groups |
 * | order, sequence | zset, counter | ids in order of creation, for stable pages |
 * | dirty | zset | ids whose desired state is not settled, by the first moment of dirtiness |
 * | urgent | zset | the part of `dirty` that should stop being billed |
 * | due | zset | ids waiting for their next attempt, by its time; the sweep leaves them alone until then |
 * | parked | zset | ids Maxio or a rule has refused, by the moment of parking |
 * | audit, auditClock | stream, hash | entries with a gap-free `seq`, which name people by the field `subject` of user:ID; last used time and seq |
 * | auditChain, auditSeal | hash, hash | seq -> hash of the entry and of all before; up to where it is sealed and exported, and where the chain here begins |
 * | erased | hash | HMAC of a reference -> when and by whom the person was erased, or let in again; `key`: which key made them |
 * | story:ID | list | audit entry ids of one person, newest last, bounded |
 * | lease:ID | string | token of the run that may act for this person |
 * | begun, unfinished | set, hash | ids for whom a run is at work, or was and has never ended; id -> how many never ended since the person last settled or was parked |
 * | site | hash | what this data belongs to: Maxio's site id, test flag and name; the epoch of this data, since when, the ones before it, where a recovery stands; how many references were dropped since their records were lost |
 * | unclaimed | zset | ids of people whom a rebuild has found at Maxio and nobody has sent since |
 * | rebuild | hash | order and progress of the last rebuild |
 * | mode | hash | mode of the site, by whom, since when, why, and when it was first released |
 * | active | set | ids of people who are active and not deleted |
 * | losses, lossCents | zset, hash | people who left or lost a product within a day, by the moment, without those an operator has decided about; their cents a month |
 * | productLosses | zset | those of them who only lost a product, and are active |
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
 * | groupPlans | hash | `set`: rules for groups that an operator has set in place of those in the file, by whom and when (JSON) |
 * | catalogue | hash | product, or product, a blank and price point -> what Maxio has said of it (JSON) |
 * | drift, driftRows, driftRepairs | hash, hash, hash | the last report of differences; its rows, by person; when a difference was repaired last |
 * | driftPuts | zset | ids of people whose rows were put beside a report, by the moment, until a comparison that began later is over |
 * | webhook:DIGEST | string | a webhook that was here, for 90 days |
 * | touched, touchedNews | zset, hash | customer ids that webhooks told of, by the moment; what they said |
 * | cursorKey | string | what cursors of this site are sealed with; losing it costs clients nothing but a new first page |
 * | bookmark:DIGEST | string | behind which sequence numbers the next pages by index begin, of a caller and a query, for 10 minutes |
 * | tokens, tokenUses | hash, hash | id of a SCIM token -> its digest, when it was made, by whom, when it ends (JSON); id -> when it was used last, to the minute |
 * | clients, clientUses | hash, hash | OAuth client, or client `.` credential -> what it is, digests of secrets, public keys, whom it trusts (JSON); credential -> when it was used last |
 * | assertion:DIGEST | string | the id of an assertion that was used, until the assertion ends |
 * | strangers | hash | right tokens that came from a network which is not allowed: since when, how many, the last one; for a week |
 * | notices | hash | subject -> since when it holds and what each channel has been told of it |
 */
import { createHash } from 'node:crypto';

export function sitePrefix(siteKey: string): string {
  return `scim:{${siteKey}}:`;
}

export function digest(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex').slice(0, 40);
}
