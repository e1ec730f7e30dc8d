/**
 * Owns the list of leavers that the guard has held, and an operator's word about them: some of them, or all that are held at this moment. Who was rejected
 * is listed as exempt until the identity provider changes them again.
 * Refuses to judge who may decide (second-person.ts). Each decision is one script with its own audit entry, so that what is asked twice happens once;
 * who is approved is rung for, and a lost bell costs seconds, because the sweep rings for everyone who is dirty.
 */

import type { NamedOperator } from '../config.ts';
import { monthlyCentsOf, type RememberedSubscription, type UserRecord } from '../directory/record.ts';
import { standingOf } from '../provisioning/states.ts';
import type { Decided, HeldPerson } from './api/shapes.ts';
import type { Operator } from './ops-auth.ts';
import { handsOf, isSecondPerson, refuseOwnHand } from './second-person.ts';
import type { OpsSite } from './site-view.ts';
import { moment } from './words.ts';

const BATCH = 100;
const READ = 200;
/** Below the time after which the server gives a request up. */
const PATIENCE_MS = 8_000;

/** Lists held or exempt people of one site, those who are longest so first. */
export async function listHeld(site: OpsSite, most: number, state: 'held' | 'exempt' = 'held'): Promise<HeldPerson[]> {
  const people: HeldPerson[] = [];
  const ids = await (state === 'held' ? site.holds.list(0, most) : site.holds.exempt(0, most));
  for (let at = 0; at < ids.length; at += READ) {
    const records = await site.store.readAll(ids.slice(at, at + READ));
    people.push(...records.flatMap((record) => heldPersonOf(site, record, state) ?? []));
  }
  return people;
}

/**
 * Names everybody who is held by two things: how many, and who was held last. Somebody may have come back and somebody else left since the number was seen.
 */
export function heldMark(ids: readonly string[]): string {
  return `${ids.length} ${ids.at(-1) ?? ''}`.trim();
}

/** Lists the ids of everybody who is held at this moment. */
export async function allHeld(site: OpsSite): Promise<string[]> {
  return await site.holds.list(0, (await site.holds.state()).held);
}

function heldPersonOf(site: OpsSite, record: UserRecord, state: 'held' | 'exempt'): HeldPerson | undefined {
  const { leave, loss, link, id, attributes, requestId } = record;
  const decision = loss?.state === state ? loss : leave;
  if (decision?.state !== state) return undefined;
  const person = {
    site: site.key,
    id,
    userName: attributes.userName,
    leftAt: moment(decision.atMs),
    why: decision.why ?? 'unknown',
    decidedBy: decision.by ?? null,
    decidedAt: decision.decidedAtMs === undefined ? null : moment(decision.decidedAtMs),
    requestId,
  };
  if (decision === loss) {
    const theirs = (state === 'held' ? subscriptionsLost(site, record) : subscriptionsSpared(site, record)).filter(bills);
    return {
      ...person,
      what: 'product',
      products: [...new Set(theirs.flatMap(({ productHandle }) => productHandle ?? []))],
      deleted: false,
      subscriptions: theirs.length,
      monthlyCents: state === 'held' ? loss.monthlyCents : theirs.reduce((sum, { monthlyCents = 0 }) => sum + monthlyCents, 0),
    };
  }
  return {
    ...person,
    what: 'person',
    products: [],
    deleted: record.deleted,
    subscriptions: (link?.subscriptions ?? []).filter(bills).length,
    monthlyCents: record.monthlyCents ?? monthlyCentsOf(link),
  };
}

/** What groups have taken away and nothing has been done about. */
export function subscriptionsLost(site: Pick<OpsSite, 'plans'>, { loss, link }: UserRecord): RememberedSubscription[] {
  const plans = site.plans();
  return (link?.subscriptions ?? []).filter(({ productHandle = '' }) => loss?.families[plans[productHandle] ?? ''] !== undefined);
}

/** What groups have taken away and an operator has left to them. */
function subscriptionsSpared(site: Pick<OpsSite, 'plans'>, { loss, link }: UserRecord): RememberedSubscription[] {
  const plans = site.plans();
  return (link?.subscriptions ?? []).filter(
    ({ productHandle = '' }) => loss?.spared.includes(plans[productHandle] ?? '') === true,
  );
}

function bills({ state, endedBy }: RememberedSubscription): boolean {
  const standing = standingOf(state);
  return endedBy === undefined && (standing === 'billing' || standing === 'unknown');
}

interface Decisions {
  done: number;
  already: number;
  notHeld: string[];
  /** After a word about all: how many of them were not reached in the time of one request. Else how many of the site are held still. */
  left: number;
}

/**
 * Says the operator's word about some people, or about all who are held as this is asked: somebody who is held later was not seen by who decides.
 */
async function decideHeld(
  site: OpsSite,
  decision: 'approve' | 'reject',
  wish: { ids: string[] | undefined; by: string; requestId: string },
): Promise<Decisions> {
  const { by, requestId } = wish;
  const ids = [...new Set(wish.ids ?? (await allHeld(site)))];
  const said: Decisions = { done: 0, already: 0, notHeld: [], left: 0 };
  const untilMs = performance.now() + PATIENCE_MS;
  let at = 0;
  for (; at < ids.length && performance.now() < untilMs; at += BATCH) {
    await Promise.all(
      ids.slice(at, at + BATCH).map(async (id) => {
        const answer = await site.holds.decide(id, decision, { by, requestId });
        if (answer === 'not-held') said.notHeld.push(id);
        else said[answer] += 1;
        if (answer === 'done' && decision === 'approve') await site.ring(id, 'urgent').catch(() => undefined);
      }),
    );
  }
  const undecided = Math.max(0, ids.length - at);
  return { ...said, left: wish.ids === undefined ? undecided : (await site.holds.state()).held };
}

export interface HeldWish {
  /** All who are held at this moment when absent. */
  ids: string[] | undefined;
  decision: 'approve' | 'reject';
  requestId: string;
}

/**
 * Says an approver's word about held leaves. An approval must come from somebody else than who changed what it depends on; a reject is the careful side.
 * Beside the entry of each person the site gets one, with whether a second person is known. @throws OpsError 403
 */
export async function decideAudited(
  site: OpsSite,
  { ids, decision, requestId }: HeldWish,
  { operator, operators }: { operator: Operator; operators: readonly NamedOperator[] },
): Promise<Decided> {
  const by = operator.name;
  const hands = await handsOf(site);
  if (decision === 'approve') refuseOwnHand(operator, operators, hands);
  const second = isSecondPerson(operator, operators, hands);
  const { done, already, notHeld, left } = await decideHeld(site, decision, { ids, by, requestId });
  const what = decision === 'approve' ? 'approve-leaves' : 'reject-leaves';
  const audit = { kind: 'operator', what, actor: by, requestId, done, already, secondPerson: second } as const;
  if (done > 0) await site.runs.tell('', 0, audit);
  return { done, already, notHeld, left, secondPerson: second };
}
