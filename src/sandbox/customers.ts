/**
 * Owns the customer endpoints for one customer: create, read, lookup, partial update, delete, and its subscriptions.
 * Refuses to list (customer-list.ts). Existence comes before the body: an unknown id is 404 whatever was sent.
 * Answers to the Customers pages of developers.maxio.com.
 */
import { type Answer, blankRoot, notFound, ok, refused } from './answers.ts';
import { customerJson } from './customer-json.ts';
import { customerProblems, newCustomer, readCustomerFields, unknownAttributes } from './customer-rules.ts';
import type { CustomerRow } from './rows.ts';
import { asFlag, asInteger, type Call, type Operation, type Route, rootOf, type Site } from './site.ts';
import { subscriptionEnvelope } from './subscription-json.ts';

/** Shows one customer in its envelope. */
function shown(site: Site, row: CustomerRow, status = 200): Answer {
  return ok({ customer: customerJson(row, site.settings.utcOffsetMinutes) }, status);
}

function find(site: Site, call: Call): CustomerRow | undefined {
  return site.store.customer(asInteger(call.params.id) ?? 0);
}

const create: Operation = (site, { body }) => {
  const sent = rootOf(body, 'customer');
  if (!sent) return blankRoot('customer');
  const fields = readCustomerFields(sent);
  const problems = [...unknownAttributes(site, sent), ...customerProblems(site, fields)];
  if (problems.length > 0) return refused(...problems);
  return shown(site, site.store.addCustomer(newCustomer(fields, site.clock.nowMs())), 201);
};

const read: Operation = (site, call) => {
  const row = find(site, call);
  return row ? shown(site, row) : notFound();
};

const lookup: Operation = (site, { query }) => {
  const row = site.store.customerByReference(query.get('reference') ?? '');
  return row ? shown(site, row) : notFound();
};

const update: Operation = (site, call) => {
  const row = find(site, call);
  if (!row) return notFound();
  const sent = rootOf(call.body, 'customer');
  if (!sent) return blankRoot('customer');
  const fields = readCustomerFields(sent);
  if (sent.verified !== undefined) fields.verified = asFlag(sent.verified);
  const problems = [...unknownAttributes(site, sent), ...customerProblems(site, { ...row, ...fields }, row)];
  if (problems.length > 0) return refused(...problems);
  const changed = Object.entries(fields).some(([key, value]) => row[key as keyof CustomerRow] !== value);
  if (changed) site.store.changeCustomer(row, { ...fields, updatedMs: site.clock.nowMs() });
  return shown(site, row);
};

const remove: Operation = (site, call) => {
  const row = find(site, call);
  if (!row) return notFound();
  if (site.settings.refuseDeleteWithSubscriptions && site.store.subscriptionsOf(row.id).length > 0) {
    // That it is refused is documented, its words are not.
    return refused('Customer cannot be deleted while it has subscriptions.');
  }
  site.store.removeCustomer(row);
  return { status: 204 };
};

const subscriptions: Operation = (site, call) => {
  const row = find(site, call);
  if (!row) return notFound();
  return ok(site.store.subscriptionsOf(row.id).map((subscription) => subscriptionEnvelope(site, subscription)));
};

export const customerRoutes: readonly Route[] = [
  { method: 'POST', template: '/customers.json', operation: create },
  { method: 'GET', template: '/customers/lookup.json', operation: lookup },
  { method: 'GET', template: '/customers/{id}.json', operation: read },
  { method: 'PUT', template: '/customers/{id}.json', operation: update },
  { method: 'DELETE', template: '/customers/{id}.json', operation: remove },
  { method: 'GET', template: '/customers/{id}/subscriptions.json', operation: subscriptions },
];
