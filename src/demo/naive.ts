/**
 * Owns the first sync as a guide would have it: look the person up by `reference`, and create on a miss. It runs for real, against a copy of the site, so
 * that the demo and the tests count what it does instead of claiming it.
 * Refuses to be used against the site of the service.
 */
import { Pool } from 'undici';
import type { CustomerJson } from '../sandbox/customer-json.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import type { Member } from './cast.ts';

export interface NaiveSync {
  calls: number;
  created: number;
  /** People who have two customers now, one of them made by the sync. */
  duplicates: number;
  /** Those of them who pay on both. */
  billedTwice: number;
  /** What the second subscriptions bill in a month, in cents. */
  monthlyCents: number;
}

/** Maxio allows four calls at once. */
const IN_FLIGHT = 4;

/** Syncs people by looking up and creating, then counts what a sandbox holds twice. */
export async function naiveSync(copy: Sandbox, people: readonly Member[], productHandle: string): Promise<NaiveSync> {
  const before = new Set(copy.state.customers().map(({ id }) => id));
  let calls = 0;
  let created = 0;
  const pool = new Pool(copy.url, { connections: IN_FLIGHT });
  const headers = {
    authorization: `Basic ${Buffer.from(`${copy.apiKey}:x`).toString('base64')}`,
    'content-type': 'application/json',
  };
  const send = async (path: string, body?: object): Promise<{ status: number; text: string }> => {
    calls += 1;
    const method = body === undefined ? 'GET' : 'POST';
    const answer = await pool.request({ method, path, headers, body: body === undefined ? null : JSON.stringify(body) });
    return { status: answer.statusCode, text: await answer.body.text() };
  };
  const one = async (person: Member): Promise<void> => {
    const found = await send(`/customers/lookup.json?reference=${encodeURIComponent(person.externalId)}`);
    if (found.status === 200) return;
    const { givenName: first_name, familyName: last_name, email, externalId: reference } = person;
    const customer_attributes = { first_name, last_name, email, reference };
    const made = await send('/subscriptions.json', {
      subscription: { product_handle: productHandle, payment_collection_method: 'remittance', customer_attributes },
    });
    if (made.status !== 201) throw new Error(`the copy of the site answered ${made.status}: ${made.text}`);
    created += 1;
  };
  const queue = people.values();
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      for (const person of queue) await one(person);
    }),
  );
  await pool.close();
  return { calls, created, ...countTwice(copy, before) };
}

function countTwice(copy: Sandbox, before: Set<number>): Pick<NaiveSync, 'duplicates' | 'billedTwice' | 'monthlyCents'> {
  const owners = new Map<string, CustomerJson[]>();
  for (const customer of copy.state.customers()) {
    const email = (customer.email ?? '').toLowerCase();
    owners.set(email, [...(owners.get(email) ?? []), customer]);
  }
  const centsOf = new Map<number, number>();
  for (const { customer, state, product } of copy.state.subscriptions()) {
    if (customer === null || state === 'canceled') continue;
    centsOf.set(customer.id, (centsOf.get(customer.id) ?? 0) + (product?.price_in_cents ?? 0));
  }
  const counted = { duplicates: 0, billedTwice: 0, monthlyCents: 0 };
  for (const same of owners.values()) {
    const old = same.filter(({ id }) => before.has(id));
    const made = same.filter(({ id }) => !before.has(id));
    if (old.length === 0 || made.length === 0) continue;
    counted.duplicates += made.length;
    if (!old.some(({ id }) => (centsOf.get(id) ?? 0) > 0)) continue;
    counted.billedTwice += made.length;
    counted.monthlyCents += made.reduce((sum, { id }) => sum + (centsOf.get(id) ?? 0), 0);
  }
  return counted;
}
