/**
 * Owns the reading of the sandbox's ledger: whom a call was about, what it was to bring about, and from when to when each subscription could bill.
 * Refuses to judge.
 */
import type { StepKind } from '../../../src/directory/record.ts';
import type { LedgerEntry } from '../../../src/sandbox/ledger.ts';
import type { Evidence } from './evidence.ts';

/** In the words of the audit trail. */
export type Doing = StepKind;

const DOING: Record<string, Doing> = {
  'POST /customers.json': 'create-customer',
  'PUT /customers/{id}.json': 'update-customer',
  'POST /subscriptions.json': 'create-subscription',
  'PUT /subscriptions/{id}.json': 'change-product',
  'DELETE /subscriptions/{id}.json': 'cancel',
  'POST /subscriptions/{id}/delayed_cancel.json': 'delay-cancel',
  'DELETE /subscriptions/{id}/delayed_cancel.json': 'undo-delayed-cancel',
  'POST /subscriptions/{id}/hold.json': 'hold',
  'POST /subscriptions/{id}/resume.json': 'resume',
  'PUT /subscriptions/{id}/reactivate.json': 'reactivate',
};

export interface MaxioCall {
  entry: LedgerEntry;
  doing: Doing | 'read' | 'else';
  reference: string | undefined;
  customerId: number | undefined;
  subscriptionId: number | undefined;
  /** The family name that it was to bring. */
  familyName: string | undefined;
}

export const ENDING: ReadonlySet<string> = new Set(['cancel', 'delay-cancel', 'hold']);

/** States in which nothing is billed and nothing begins by itself. */
const UNBILLED = new Set(['canceled', 'expired', 'failed_to_create', 'on_hold']);

export function bills(state: string): boolean {
  return !UNBILLED.has(state);
}

type Body = Record<string, Record<string, unknown> | undefined> | undefined | null;

/** Reads the whole ledger, in order of arrival. */
export function maxioCalls(evidence: Evidence): MaxioCall[] {
  const referenceOf = new Map(evidence.customers.map(({ id, reference }) => [id, reference ?? undefined]));
  const subscriptions = new Map(evidence.subscriptions.map((each) => [each.id, each]));
  const byReference = new Map(evidence.subscriptions.map((each) => [each.reference, each]));
  return evidence.ledger.map((entry) => {
    const doing = entry.method === 'GET' ? 'read' : (DOING[`${entry.method} ${entry.template}`] ?? 'else');
    const id = Number(/\/(\d+)/.exec(entry.path)?.[1] ?? Number.NaN);
    const body = entry.body as Body;
    const customer = (body?.customer ?? body?.subscription?.customer_attributes) as Record<string, unknown> | undefined;
    const familyName = typeof customer?.last_name === 'string' ? customer.last_name : undefined;
    if (doing === 'create-subscription' || doing === 'create-customer') {
      const made = byReference.get(String(body?.subscription?.reference));
      const customerId = Number(body?.subscription?.customer_id ?? made?.customer?.id ?? Number.NaN);
      const reference = customer?.reference === undefined ? referenceOf.get(customerId) : String(customer.reference);
      const kind = doing === 'create-subscription' && customer !== undefined ? 'create-with-subscription' : doing;
      return { entry, doing: kind, reference, customerId, subscriptionId: made?.id, familyName };
    }
    const subscription = entry.template?.startsWith('/subscriptions/{id}') ? subscriptions.get(id) : undefined;
    const customerId = subscription?.customer?.id ?? (entry.template?.startsWith('/customers/{id}') ? id : undefined);
    const reference = customerId === undefined ? undefined : referenceOf.get(customerId);
    return { entry, doing, reference, customerId, subscriptionId: subscription?.id, familyName };
  });
}

/** Neither begins nor ends any billing at once. */
const BESIDE: ReadonlySet<string> = new Set(['delay-cancel', 'undo-delayed-cancel', 'change-product']);

export interface Span {
  subscriptionId: number;
  fromMs: number;
  toMs: number;
}

/** From when to when subscriptions that came through the API could bill, by what took effect; those that were there before bill from the beginning. */
export function billingSpans(calls: MaxioCall[], adopted: readonly number[]): Map<number, Span[]> {
  const spans = new Map<number, Span[]>();
  for (const id of adopted) spans.set(id, [{ subscriptionId: id, fromMs: 0, toMs: Number.POSITIVE_INFINITY }]);
  const effects = calls.filter(({ entry }) => entry.applied && entry.appliedMs !== null);
  for (const { doing, subscriptionId, entry } of effects.toSorted(
    (a, b) => (a.entry.appliedMs ?? 0) - (b.entry.appliedMs ?? 0),
  )) {
    if (subscriptionId === undefined || entry.appliedMs === null) continue;
    const list = spans.get(subscriptionId) ?? [];
    const last = list.at(-1);
    const billing = last?.toMs === Number.POSITIVE_INFINITY;
    if (doing === 'cancel' || doing === 'hold') {
      if (last !== undefined && billing) last.toMs = entry.appliedMs;
    } else if (!billing && !BESIDE.has(doing)) {
      list.push({ subscriptionId, fromMs: entry.appliedMs, toMs: Number.POSITIVE_INFINITY });
    }
    spans.set(subscriptionId, list);
  }
  return spans;
}
