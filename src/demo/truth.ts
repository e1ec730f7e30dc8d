/**
 * Owns what the demo's table may claim: the directory's own record, and the sandbox's customers, subscriptions and ledger. Nothing is taken from what was
 * expected. A call counts for a person when its path or body names their reference, their customer or one of their subscriptions.
 */
import type { Site } from '../app-site.ts';
import type { LedgerEntry } from '../sandbox/ledger.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import type { Member } from './cast.ts';

export interface Truth {
  directory: 'active' | 'inactive' | 'deleted' | '';
  customer: string;
  subscription: string;
  calls: number;
  /** Maxio has what the directory promises. */
  inStep: boolean;
}

/** Reads what is true about each of these people now, in their order. */
export async function readTruth(people: readonly Member[], site: Site, sandbox: Sandbox): Promise<Truth[]> {
  const records = await site.store.readAll(people.map(({ id }) => id).filter((id) => id !== ''));
  const customers = sandbox.state.customers();
  const subscriptions = sandbox.state.subscriptions();
  const ledger = sandbox.state.ledger();
  return people.map((person) => {
    const record = records.find(({ id }) => id === person.id);
    const reference = record?.reference ?? person.externalId;
    const customer = customers.find((each) => each.reference === reference);
    const own = subscriptions.filter((each) => customer !== undefined && each.customer?.id === customer.id);
    const names = [
      reference,
      ...(customer === undefined ? [] : [`/customers/${customer.id}`]),
      ...own.map(({ id }) => `/subscriptions/${id}`),
    ];
    return {
      directory: record === undefined ? '' : record.deleted ? 'deleted' : record.attributes.active ? 'active' : 'inactive',
      customer: customer === undefined ? '' : `${customer.id} ${customer.first_name} ${customer.last_name}`,
      subscription: own.map(({ product, state }) => `${product?.handle ?? '?'} ${state}`).join(', '),
      calls: ledger.filter((entry) => speaksOf(entry, names)).length,
      inStep: record === undefined || record.settledGeneration === record.generation,
    };
  });
}

function speaksOf(entry: LedgerEntry, names: string[]): boolean {
  const path = decodeURIComponent(entry.path);
  const body = JSON.stringify(entry.body) ?? '';
  return names.some((name) =>
    name.startsWith('/') ? new RegExp(`^${name}[./]`).test(path) : path.includes(name) || body.includes(`"${name}"`),
  );
}
