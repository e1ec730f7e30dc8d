/**
 * Owns what is told about the service itself: the SCIM token's last day, a configuration or a release that waits for somebody, and Redis. Pure.
 * That a worker is silent cannot be told from inside the worker: metrics and the liveness check of the platform are for that.
 */

import { many } from '../figures.ts';
import type { Situation } from './situation.ts';
import type { Condition } from './topics.ts';
import { moment, plain, type Wording } from './words.ts';

const DAY_MS = 86_400_000;
/** Days before the end at which it is told, and told anew. */
const TOKEN_DAYS = [30, 14, 3, 0] as const;
const MEMORY_RATIO_MAX = 0.75;

/** Tell about the set-up of the service. */
export function setUpConditions(situation: Situation, wording: Wording): Condition[] {
  return [
    recovery(situation),
    otherNetwork(situation),
    token(situation),
    client(situation),
    configuration(situation),
    groupPlans(situation),
    survey(situation, wording),
    redis(situation),
  ].filter((condition) => condition !== undefined);
}

function recovery({ recovery: now, site }: Situation): Condition | undefined {
  if (now === undefined) return undefined;
  const { word, sinceMs, unclaimed } = now;
  const away = word === 'lost' || word === 'rebuilding';
  const lost = word === 'lost' ? 'The data of this site was lost.' : 'The data of this site is being put back after a loss.';
  const back =
    word === 'restored'
      ? 'The data of this site was set back to an earlier moment.'
      : 'The data of this site was put back after a loss.';
  const waiting =
    unclaimed === 0
      ? ''
      : ` ${many(unclaimed, 'person', 'people')} found at Maxio ${unclaimed === 1 ? 'has' : 'have'} not been sent since.`;
  return {
    topic: 'recovery',
    severity: away ? 'page' : 'warn',
    title: away ? 'The data of the site was lost' : 'The site waits to be released after a loss',
    what: away
      ? `${lost} The identity provider is told to come back later, and nothing is written at Maxio.`
      : `${back} The identity provider is answered again; nothing is written at Maxio until somebody releases the site.${waiting}`,
    who: 'Everyone: who joins is not billed yet, and who leaves stays billed.',
    todo: `maxio-scim recovery --site ${site} says what to do next.`,
    sinceMs,
    count: 1,
    mark: away ? 1 : 0,
  };
}

/** Both readings are told, because from here they look the same: the identity provider has moved, or somebody else has its token. */
function otherNetwork({ strangers, site }: Situation): Condition | undefined {
  if (strangers === undefined) return undefined;
  const { firstMs, lastMs, times, address, actor } = strangers;
  const credential = plain(actor);
  return {
    topic: 'other-network',
    severity: 'page',
    title: 'A right token came from a network that is not allowed',
    what: `At least ${many(times, 'request', 'requests')} with a right token of the site came from networks that SCIM_ALLOW_FROM does not name, the last at ${moment(lastMs)} from ${plain(address)} with ${credential}. All of them were refused.`,
    who: 'Nobody, if the identity provider still comes from an allowed network; otherwise everyone, because its changes are refused.',
    todo: `If ${plain(address)} is the identity provider, or a proxy of yours: add its network to SCIM_ALLOW_FROM, or the proxy to TRUSTED_PROXIES, and restart. If not, ${leakedBy(plain(actor), site)}`,
    sinceMs: firstMs,
    count: 1,
    mark: 0,
  };
}

/** What to do about a credential that is in other hands. Each kind is changed in its own way. */
function leakedBy(actor: string, site: string): string {
  const [, client] = /^oauth:(\S+)$/.exec(actor) ?? [];
  if (client !== undefined)
    return (
      `what client ${client} signs in with has leaked, or an access token of it: maxio-scim client list --site ${site} names its credentials, ` +
      `client add-secret ${client} --site ${site} makes a new secret (client add-key and client trust for the other kinds), and client revoke-secret ${client} CREDENTIAL --site ${site} ends the old one and its access tokens.`
    );
  // Its name is of hexadecimal digits, that of a token which an operator has made is not.
  if (/^scim-token:[0-9a-f]{8}$/.test(actor))
    return (
      'the SCIM_TOKEN of the configuration has leaked: write another one into the file that SCIM_TOKEN_FILE names, and into the identity provider. ' +
      `Without such a file: maxio-scim token create --site ${site} makes a new one; then unset SCIM_TOKEN and restart.`
    );
  return `the token has leaked: maxio-scim token list --site ${site}, make a new one, and revoke that one.`;
}

function token({ tokenExpiresMs, tokenId, nowMs, site }: Situation): Condition | undefined {
  if (tokenExpiresMs === undefined) return undefined;
  const daysLeft = (tokenExpiresMs - nowMs) / DAY_MS;
  const passed = TOKEN_DAYS.filter((days) => daysLeft < days).length;
  if (passed === 0) return undefined;
  const expired = passed === TOKEN_DAYS.length;
  const days = Math.floor(daysLeft);
  const end =
    tokenId === undefined
      ? 'at the next restart unset SCIM_TOKEN, or set another with SCIM_TOKEN_EXPIRES'
      : `maxio-scim token revoke ${tokenId}`;
  const named = tokenId === undefined ? '' : ` ${tokenId}`;
  const when = days === 0 ? 'within a day' : `in ${many(days, 'day', 'days')}`;
  return {
    topic: 'token-expiry',
    severity: passed >= 3 ? 'page' : 'warn',
    title: expired ? 'The SCIM token has expired' : `The SCIM token expires ${when}`,
    what: expired
      ? `The SCIM token${named} expired at ${moment(tokenExpiresMs)}. Every request of the identity provider is refused, so people who leave stay billed.`
      : `The SCIM token${named} expires ${when}, at ${moment(tokenExpiresMs)}. From then on every request of the identity provider with it is refused.`,
    who: 'Everyone whom the identity provider assigns, changes or removes.',
    todo: `maxio-scim token create --site ${site} makes a new one, good at once. Put it into the provisioning settings of the identity provider and test the connection there; then ${end}.`,
    count: 1,
    mark: passed,
  };
}

function client({ client: first, nowMs, site }: Situation): Condition | undefined {
  if (first === undefined) return undefined;
  const { client: id, kind, expiresMs } = first;
  const daysLeft = (expiresMs - nowMs) / DAY_MS;
  const passed = TOKEN_DAYS.filter((days) => daysLeft < days).length;
  if (passed === 0) return undefined;
  const expired = passed === TOKEN_DAYS.length;
  const named = `${kind} ${first.id} of OAuth client ${id}`;
  const days = Math.floor(daysLeft);
  const when = days === 0 ? 'within a day' : `in ${many(days, 'day', 'days')}`;
  return {
    topic: 'client-expiry',
    severity: passed >= 3 ? 'page' : 'warn',
    title: expired ? `What an OAuth client signs in with has expired` : `What an OAuth client signs in with expires ${when}`,
    what: expired
      ? `The ${named} expired at ${moment(expiresMs)}. The identity provider gets no token with it, so people who leave stay billed.`
      : `The ${named} expires ${when}, at ${moment(expiresMs)}. From then on the identity provider gets no token with it.`,
    who: 'Everyone whom the identity provider assigns, changes or removes.',
    todo: `maxio-scim client add-secret ${id} --site ${site} makes a new secret, good at once beside the old one (add-key takes a new key). Put it into the identity provider and test the connection there; then maxio-scim client revoke-secret ${id} ${first.id} --site ${site}.`,
    count: 1,
    mark: passed,
  };
}

function configuration({ candidate, site }: Situation): Condition | undefined {
  if (candidate === undefined) return undefined;
  return {
    topic: 'configuration',
    severity: 'warn',
    title: 'A configuration waits for approval',
    what: `A new configuration by ${plain(candidate.author)} would change what happens to ${many(candidate.people, 'person', 'people')}. Until somebody approves it, the service goes on with the one before.`,
    who: `${many(candidate.people, 'person', 'people')} would be treated differently.`,
    todo: `Compare: maxio-scim config --site ${site}. If it is meant so: maxio-scim config approve, by somebody else than its author. If not: set the old values and restart.`,
    sinceMs: candidate.atMs,
    count: candidate.people,
    mark: candidate.atMs,
  };
}

function groupPlans({ groupPlans: now, site }: Situation): Condition | undefined {
  if (now === undefined || now.problems.length === 0) return undefined;
  return {
    topic: 'group-plans',
    severity: 'warn',
    title: 'Rules for groups name products that Maxio does not sell',
    what: `${now.problems.map(plain).join(' ')} The rules are not put to work; what was acted by before goes on, and where nothing was, nobody is worked for.`,
    who: 'Everyone in a group for which a rule has changed.',
    todo: `Look: maxio-scim group-plans --site ${site}. Correct the rules, or make the products at Maxio; they are asked for again every minute.`,
    ...(now.sinceMs === undefined ? {} : { sinceMs: now.sinceMs }),
    count: 1,
    mark: now.problems.length,
  };
}

function survey({ survey: done, mode, site }: Situation, { opsUrl }: Wording): Condition | undefined {
  // A site that was released once is in `observe` because somebody wanted it so.
  if (done === undefined || mode?.mode !== 'observe' || mode.releasedAtMs !== undefined) return undefined;
  const links =
    done.unreferenced === 0
      ? 'No customer there is without a reference.'
      : `${many(done.unreferenced, 'customer there has', 'customers there have')} no reference, and may be people we would create again.`;
  return {
    topic: 'survey-done',
    severity: 'info',
    title: 'The site waits to be released',
    what: `The survey of the Maxio site is complete. ${links} Nothing is written at Maxio until somebody releases the site.`,
    who: 'Everyone whom the identity provider assigns: they are accepted, and not yet billed.',
    todo:
      done.unreferenced === 0
        ? `Look at what would happen: maxio-scim plan --site ${site}, or ${opsUrl}. Then maxio-scim release.`
        : `Decide who is who: maxio-scim link plan --csv FILE, fill in the decisions, maxio-scim link apply FILE. Then maxio-scim plan, and maxio-scim release.`,
    sinceMs: done.finishedAtMs,
    count: 1,
    mark: 0,
  };
}

function redis({ redis: now }: Situation): Condition | undefined {
  if (now === undefined) return undefined;
  const full = now.memoryRatio > MEMORY_RATIO_MAX;
  if (now.durable && !full) return undefined;
  const percent = Math.round(now.memoryRatio * 100);
  const memory = full
    ? `Redis uses ${percent} % of its memory; from 85 % on, changes of the identity provider are refused. `
    : '';
  const findings = now.durable
    ? ''
    : `Changes of the identity provider are refused, because Redis may forget them. ${now.findings.map(plain).join(' ')}`;
  return {
    topic: 'redis',
    severity: now.durable ? 'warn' : 'page',
    title: now.durable ? `Redis is ${percent} % full` : 'Redis is not set up to keep changes',
    what: `${memory}${findings}`.trim(),
    who: 'Everyone, at all sites of this service.',
    todo: `${full ? 'Raise maxmemory of Redis. ' : ''}maxio-scim doctor and /readyz name every setting with its cure.`,
    count: 1,
    mark: now.durable ? 0 : 1,
  };
}
