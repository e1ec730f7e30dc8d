/**
 * Owns the part of the checker about groups: that memberships and names are as they were answered, what each person should be subscribed to by them, and
 * whether a loss on record covers an ending. Reads the rules by itself, so that no mistake of the service is repeated here. Pure.
 */
import type { AuditEntry } from '../../../src/directory/audit.ts';
import type { Context, Finding } from './check-context.ts';
import type { Evidence } from './evidence.ts';
import type { MaxioCall } from './maxio-calls.ts';
import type { Timeline } from './timeline.ts';

/** I8: what was answered is what is stored, in both directions. */
export function checkGroups({ evidence, people }: Context): Finding[] {
  const { groups } = evidence;
  if (groups === undefined) return [];
  const found: Finding[] = [];
  const numbers = new Map([...people.values()].flatMap(({ ids, person }) => ids.map((id) => [id, person] as const)));
  for (const { id, displayName, members, doubted } of groups.believed) {
    const stored = groups.stored.find((each) => each.id === id);
    if (stored === undefined || (stored.displayName !== displayName && doubted !== true)) {
      const what = `group ${displayName} is stored as ${stored?.displayName ?? 'nothing'}`;
      found.push({ invariant: 'I8', evidence: what });
      continue;
    }
    const differ = doubted === true ? [] : symmetricDifference(members, stored.members);
    for (const one of differ) {
      const what = `${stored.members.includes(one) ? 'is' : 'is not'} stored as a member of ${displayName}, against the last answer`;
      found.push({ invariant: 'I8', ...personOf(numbers, one), evidence: what });
    }
    const told = Object.entries(groups.memberOf).flatMap(([one, list]) => (list.includes(id) ? [one] : []));
    for (const one of symmetricDifference(told, stored.members)) {
      found.push({ invariant: 'I6', ...personOf(numbers, one), evidence: `person and group disagree about ${displayName}` });
    }
  }
  return found;
}

function personOf(numbers: Map<string, number>, id: string): { person?: number } {
  const person = numbers.get(id);
  return person === undefined ? {} : { person };
}

function symmetricDifference(a: readonly string[], b: readonly string[]): string[] {
  return [...a.filter((one) => !b.includes(one)), ...b.filter((one) => !a.includes(one))];
}

/** What somebody who is active should be subscribed to in the end: the first rule of each family, or the product of the site. */
export function wantedIn(evidence: Evidence, userId: string): string[] {
  const { groups, settings } = evidence;
  if (groups === undefined) return [settings.product];
  const names = groups.stored.flatMap(({ displayName, members }) => (members.includes(userId) ? [displayName] : []));
  const wanted = new Map<string, string>();
  for (const { group, product, family } of groups.rules) {
    if (names.includes(group) && !wanted.has(family)) wanted.set(family, product);
  }
  return wanted.size === 0 ? [settings.product] : [...wanted.values()];
}

/** The family of a product that groups or the site can give; without groups only that of the site is of interest. */
export function familyOf({ groups, settings }: Evidence, product: string): string | undefined {
  if (product === settings.product) return 'plans';
  return groups?.rules.find((rule) => rule.product === product)?.family;
}

/** Whether a group had taken that product away for long enough, and nobody held or rejected it, when somebody who was active was ended. */
export function isLoss({ evidence }: Context, timeline: Timeline, { entry, subscriptionId }: MaxioCall): boolean {
  const { groups, subscriptions, settings } = evidence;
  const product = subscriptions.find(({ id }) => id === subscriptionId)?.product.handle;
  const family = product === undefined ? undefined : familyOf(evidence, product);
  if (groups === undefined || family === undefined) return false;
  // A call on its way when the product is given back was granted before.
  const fromMs = entry.arrivedMs - settings.sendGraceMs - settings.slackMs;
  let dueMs = Number.POSITIVE_INFINITY;
  for (const { user, atMs, entry: told } of evidence.audit) {
    if (atMs > entry.arrivedMs) break;
    if (!timeline.ids.includes(user)) continue;
    const next = dueAfter(told, family, atMs, groups.graceMs);
    if (next === undefined) continue;
    if (dueMs <= atMs + settings.slackMs && atMs >= fromMs) return true;
    dueMs = next;
  }
  return entry.arrivedMs + settings.slackMs >= dueMs;
}

/** From when on a loss may be acted on, after this entry; `undefined` when it does not matter for that. */
function dueAfter(told: AuditEntry, family: string, atMs: number, graceMs: number): number | undefined {
  if (told.what === 'groups' && includes(told.lost, family)) return atMs + graceMs;
  if (told.what === 'groups' && includes(told.gives, family)) return Number.POSITIVE_INFINITY;
  if (told.what === 'held-loss' || told.what === 'reject-leave') return Number.POSITIVE_INFINITY;
  return told.what === 'approve-leave' ? atMs : undefined;
}

function includes(list: unknown, one: string): boolean {
  return Array.isArray(list) && list.includes(one);
}
