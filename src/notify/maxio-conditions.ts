/**
 * Owns what is told about the connection to Maxio: the key, the wrong site, outages and the call budget. Pure.
 * Nothing is lost in any of these: each text says so, because a reader at night must know whether to hurry.
 */

import { figure, many } from '../figures.ts';
import type { Situation } from './situation.ts';
import type { Condition } from './topics.ts';
import { span, type Wording } from './words.ts';

/** Single refusals of a right key are on record, so the second in a row is the one that counts. */
const KEY_REFUSALS_MIN = 2;
const BUDGET_RATIO_MAX = 0.9;

/** Tell about the connection to Maxio. */
export function maxioConditions(situation: Situation, wording: Wording): Condition[] {
  return [keyRefused(situation), siteBlocked(situation, wording), failing(situation, wording), budget(situation, wording)].filter(
    (condition) => condition !== undefined,
  );
}

/** Who waits, for conditions that concern everyone at once. */
function everyone({ pending, late, held }: Situation): string {
  const leavers = late.total === 0 ? '' : ` ${many(late.total, 'leaver is', 'leavers are')} billed longer than promised.`;
  const kept = held.held === 0 ? '' : ` ${many(held.held, 'leaver is', 'leavers are')} held besides.`;
  const waiting = pending === 0 ? 'Nobody waits at the moment.' : `${many(pending, 'person waits', 'people wait')}.`;
  return `${waiting}${leavers}${kept}`;
}

function keyRefused(situation: Situation): Condition | undefined {
  const { budget, contact, site } = situation;
  const refused = budget.blockedWhy === 'unauthorized' && budget.blockedStreak >= KEY_REFUSALS_MIN;
  if (!refused && contact.refusals < KEY_REFUSALS_MIN) return undefined;
  return {
    topic: 'key-refused',
    severity: 'page',
    title: 'Maxio refuses the API key',
    what: 'Maxio has refused the API key more than once in a row. Changes of the identity provider are accepted and kept, but none reaches Maxio.',
    who: everyone(situation),
    todo: `Make a key at Maxio (Config > Integrations > API Keys) for ${site}, set MAXIO_API_KEY and restart the service. Then maxio-scim doctor.`,
    count: 1,
    mark: 0,
  };
}

function siteBlocked(situation: Situation, { opsUrl }: Wording): Condition | undefined {
  if (situation.contact.kind !== 'foreign') return undefined;
  return {
    topic: 'site-blocked',
    severity: 'page',
    title: 'The API key opens another Maxio site',
    what: 'The API key opens another Maxio site than the one this data belongs to, so nothing is written there. Changes of the identity provider are accepted and kept.',
    who: everyone(situation),
    todo: `maxio-scim status or ${opsUrl} names both sites. Correct MAXIO_SUBDOMAIN and MAXIO_API_KEY, or REDIS_URL, and restart the service.`,
    count: 1,
    mark: 0,
  };
}

function failing(situation: Situation, { opsUrl }: Wording): Condition | undefined {
  const { budget, contact, pending } = situation;
  const { blockedWhy } = budget;
  const unreachable = blockedWhy === 'failing' || (contact.kind === 'unknown' && contact.refusals === 0);
  if (!unreachable && blockedWhy !== 'throttled') return undefined;
  // A pause that is over stays on record until the next call; without work there is none.
  if (pending === 0 && budget.blockedForMs === 0 && contact.kind === 'confirmed') return undefined;
  return {
    topic: 'failing',
    severity: situation.late.total > 0 ? 'page' : 'warn',
    title: unreachable ? 'Maxio does not answer' : 'Maxio asks us to slow down',
    what:
      (unreachable
        ? 'Maxio cannot be reached, or answers with failures only.'
        : 'Maxio refuses calls as too many, although we keep to our budget.') +
      ' Changes of the identity provider are accepted and kept, and are made as soon as Maxio answers.',
    who: everyone(situation),
    todo: unreachable
      ? `Look at the status page of Maxio and at the way out of this network; maxio-scim doctor tries it. Nothing to repeat by hand. Progress: ${opsUrl}.`
      : `Somebody else may be using the same site: look for other integrations, and lower MAXIO_CALLS_PER_HOUR to leave them room. Progress: ${opsUrl}.`,
    count: 1,
    mark: 0,
  };
}

function budget(situation: Situation, { opsUrl }: Wording): Condition | undefined {
  const { limit, used, windowSeconds, nextCallMs } = situation.budget;
  if (used < limit * BUDGET_RATIO_MAX) return undefined;
  // A few calls are kept for those in flight, so the last of them are never granted.
  const spent = used >= limit - 4;
  const next = nextCallMs === undefined ? '' : ` The oldest calls stop counting in ${span(nextCallMs)}.`;
  return {
    topic: 'budget',
    severity: 'warn',
    title: spent ? 'The call budget is spent' : 'The call budget is nearly spent',
    what:
      `${figure(used)} of ${figure(limit)} calls of the last ${span(windowSeconds * 1_000)} are used. ` +
      (spent ? 'Everybody waits.' : 'Leavers still go through; joiners and changes wait from 95 % on, surveys from 80 %.') +
      next,
    who: everyone(situation),
    todo: `Usually wait: maxio-scim status or ${opsUrl} says how long. If it comes often, ask Maxio for a higher limit and raise MAXIO_CALLS_PER_HOUR.`,
    count: 1,
    mark: spent ? 1 : 0,
  };
}
