/**
 * Owns what is told about people: held by the guard, late in leaving, parked, and different at Maxio from what the identity provider says.
 * Pure. The reader decides about people, so every text says how many, what it costs and which command comes next.
 */

import { figure, many, money } from '../figures.ts';
import type { Situation } from './situation.ts';
import type { Condition } from './topics.ts';
import { moment, people, span, type Wording } from './words.ts';

const DAY_MS = 86_400_000;
const REASONS_TOLD_MAX = 3;

/** Tell about people who need a decision. */
export function peopleConditions(situation: Situation, wording: Wording): Condition[] {
  return [held(situation, wording), late(situation, wording), parked(situation, wording), drift(situation)].filter(
    (condition) => condition !== undefined,
  );
}

function held({ held: now, guard, nowMs, site }: Situation, wording: Wording): Condition | undefined {
  if (now.held === 0) return undefined;
  const since = now.trippedAtMs;
  const waited = since === undefined ? 0 : nowMs - since;
  const late = waited >= DAY_MS ? `Nobody has decided for ${span(waited)}. ` : '';
  const stake = now.heldCents > 0 ? ` At stake: ${money(now.heldCents)} of monthly revenue.` : '';
  return {
    topic: 'held',
    severity: 'page',
    title: `${many(now.held, 'leaver', 'leavers')} held${late === '' ? '' : `, undecided for ${span(waited)}`}`,
    what: `${late}${heldWords(now, guard)}${stake}`,
    who: people(now.held, now.some, wording),
    todo:
      `Look: maxio-scim held --site ${site}, or ${wording.opsUrl}. If they have really left: maxio-scim approve, with their ids or --all. ` +
      'If it is a mistake: make them active again in the identity provider, or maxio-scim reject. Nothing releases itself.',
    ...(since === undefined ? {} : { sinceMs: since }),
    count: now.held,
    mark: 0,
  };
}

function heldWords({ held: count, why, activePeople }: Situation['held'], guard: Situation['guard']): string {
  const stay = count === 1 ? 'That person stays' : 'They stay';
  // Held without a trip: by the release after a loss.
  if (why === undefined) {
    const left = count === 1 ? 'This leave was' : 'These leaves were';
    return `${left} acknowledged before the data of the site was lost or set back, and not applied. ${stay} billed until somebody decides.`;
  }
  const whom = count === 1 ? 'the one' : 'those';
  return (
    `So many people were deactivated, or lost a product with a group, at once that it may be a mistake, so nothing is ended for ${whom} who left. ` +
    `${limitWords(why, activePeople, guard)} ${stay} billed until somebody decides, and so does everyone who leaves meanwhile.`
  );
}

function limitWords(why: string | undefined, active: number, guard: Situation['guard']): string {
  const people = `${guard.floor} people and`;
  const of = `of ${figure(active)} active now`;
  if (why === 'hour') return `The limit was passed: more than ${people} ${guard.hourPercent} % (${of}) within an hour.`;
  if (why === 'day') return `The limit was passed: more than ${people} ${guard.dayPercent} % (${of}) within 24 hours.`;
  if (why === 'revenue')
    return `The limit was passed: more than ${guard.revenuePercent} % of the managed revenue within 24 hours.`;
  return 'A limit of the guard was passed.';
}

function late(situation: Situation, wording: Wording): Condition | undefined {
  const { late: now, nowMs, mode } = situation;
  if (now.total === 0 || isSilentOnPurpose(mode)) return undefined;
  return {
    topic: 'leaver-waiting',
    severity: 'page',
    title: `${many(now.total, 'leaver', 'leavers')} still billed`,
    what:
      `${many(now.total, 'person who has left is', 'people who have left are')} still billed, the longest for ${span(nowMs - now.sinceMs)}; ` +
      `five minutes are promised. ${causeWords(situation)}`,
    who: people(now.total, now.some, wording),
    todo:
      mode?.mode === 'paused'
        ? `Let the site go on: maxio-scim resume --site ${situation.site}. If the pause must stay, end these subscriptions at Maxio by hand.`
        : `Look: maxio-scim status, then maxio-scim person with one of the ids, or ${wording.opsUrl}. What must not wait can be ended at Maxio by hand; the service notices.`,
    sinceMs: now.sinceMs,
    count: now.total,
    mark: 0,
  };
}

/** Where nothing is written on purpose, nobody is late; nor where a pause will give way to that again. */
function isSilentOnPurpose(mode: Situation['mode']): boolean {
  if (mode?.mode === 'observe') return true;
  return mode?.mode === 'paused' && (mode.before === 'observe' || mode.releasedAtMs === undefined);
}

/** The first cause that explains a wait, in the order in which it would have to be mended. */
function causeWords({ mode, contact, budget, pending }: Situation): string {
  if (mode?.mode === 'paused') return `The site was paused by ${mode.by} at ${moment(mode.atMs)}.`;
  if (contact.kind === 'foreign') return 'The API key opens another Maxio site, so nothing is written.';
  if (budget.blockedWhy === 'unauthorized' || contact.refusals > 0) return 'Maxio refuses the API key.';
  if (contact.kind === 'unknown') return 'Maxio has not answered yet since this process has started.';
  if (budget.blockedWhy === 'throttled') return 'Maxio has asked us to slow down.';
  if (budget.blockedWhy === 'failing') return 'Maxio does not answer, or answers with failures.';
  if (budget.used >= budget.limit - 4) return 'The call budget is spent.';
  return `No pause of the site explains it; ${many(pending, 'change waits', 'changes wait')} in all.`;
}

const REASONS: Record<string, string> = {
  'needs-email': 'has no e-mail address',
  'link-approval': 'may already be a customer, and somebody must say which',
  'refused-by-maxio': 'was refused by Maxio',
  'forgotten-leave': 'may have left, which data that was set back has forgotten',
  protected: 'is on the list of protected people',
};

function parked({ parked: now, site }: Situation, wording: Wording): Condition | undefined {
  if (now.total === 0) return undefined;
  const top = now.reasons.slice(0, REASONS_TOLD_MAX);
  const rest = now.total - top.reduce((sum, [, count]) => sum + count, 0);
  const reasons = top.map(([reason, count]) => `${figure(count)}: ${REASONS[reason] ?? reason.replaceAll('-', ' ')}`);
  if (rest > 0) reasons.push(`${figure(rest)}: other reasons`);
  const leavers =
    now.leavers === 0
      ? ''
      : `${many(now.leavers, 'of them has left and is', 'of them have left and are')} still billed; look there first. `;
  return {
    topic: 'parked',
    severity: now.leavers > 0 ? 'page' : 'warn',
    title: `${many(now.total, 'person', 'people')} parked${now.leavers > 0 ? `, ${many(now.leavers, 'leaver', 'leavers')} among them` : ''}`,
    what: `${many(now.total, 'change cannot', 'changes cannot')} be made at Maxio without you. ${leavers}Why: ${reasons.join('; ')}.`,
    who: people(now.total, now.some, wording),
    todo: `Look: maxio-scim parked --site ${site}, or ${wording.opsUrl}; each line says what to correct. Then maxio-scim retry, with the ids or --all.`,
    sinceMs: now.oldestAtMs,
    count: now.total,
    mark: now.leavers > 0 ? 1 : 0,
  };
}

const KINDS: Record<string, string> = {
  'active-unbilled': 'active in the identity provider without a live subscription',
  'left-billed': 'has left and is billed',
  'fields-differ': 'has other fields at Maxio',
  'customer-deleted': 'has a customer that was deleted at Maxio',
  'reference-changed': 'has a customer whose reference was changed at Maxio',
  'duplicate-customer': 'has more than one customer',
  'duplicate-subscription': 'has more than one subscription',
  'ending-foreign': 'is active, and somebody has scheduled an end or a hold at Maxio',
  unclaimed: 'recreated from Maxio, billed, and not sent by the identity provider since: let it send everybody',
};

function drift({ drift: now, site }: Situation): Condition | undefined {
  if (now === undefined) return undefined;
  const kinds = Object.entries(now.kinds)
    .filter(([, count]) => count > 0)
    .sort((a, b) => b[1] - a[1]);
  const total = kinds.reduce((sum, [, count]) => sum + count, 0);
  if (total === 0) return undefined;
  const mend = kinds.every(([kind]) => kind === 'unclaimed')
    ? 'There is nothing to repair: start a full sync at the identity provider, which says who of them is still there.'
    : 'What you want put right: maxio-scim drift repair, with the ids, --kind or --all.';
  return {
    topic: 'drift',
    severity: 'warn',
    title: `${many(total, 'difference', 'differences')} between the directory and Maxio`,
    what: `The last comparison found what no pending change explains. ${kinds.map(([kind, count]) => `${figure(count)}: ${KINDS[kind] ?? kind}`).join('; ')}.`,
    who: `${many(total, 'row', 'rows')} of the report; it names everyone.`,
    todo: `Read it: maxio-scim drift --site ${site}. ${mend}`,
    count: total,
    mark: now.newestMs,
  };
}
