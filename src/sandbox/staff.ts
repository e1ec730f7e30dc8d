/**
 * Owns what staff do to a site in Maxio's own pages, past every rule of the API: edit, create, move, hold, cancel, delete.
 * Refuses to be silent: staff leave the same events and webhooks as anybody else. The edits themselves change only what they name.
 */
import { z } from 'zod';
import { startPeriod } from './billing.ts';
import { cancelNow, endLater } from './lifecycle.ts';
import { holdAt } from './pauses.ts';
import type { CustomerRow, SubscriptionRow } from './rows.ts';
import { customerSeed, plantCustomer, plantSubscription, subscriptionSeed } from './seed.ts';
import type { Site } from './site.ts';

const id = z.int();
const changes = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]));

export const staffSchema = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('create-customer'), customer: customerSeed }),
  z.strictObject({ do: z.literal('edit-customer'), id, changes }),
  z.strictObject({ do: z.literal('delete-customer'), id }),
  z.strictObject({ do: z.literal('create-subscription'), customerId: id, subscription: subscriptionSeed }),
  z.strictObject({ do: z.literal('edit-subscription'), id, changes }),
  z.strictObject({ do: z.literal('move-product'), id, product: z.string() }),
  z.strictObject({ do: z.literal('cancel-subscription'), id, message: z.string().optional() }),
  z.strictObject({ do: z.literal('end-subscription-later'), id }),
  z.strictObject({ do: z.literal('hold-subscription'), id }),
  z.strictObject({ do: z.literal('renew-subscription'), id }),
  z.strictObject({ do: z.literal('purge-subscription'), id }),
]);

export type StaffEdit = z.input<typeof staffSchema>;

export interface Touched {
  customerId: number;
  subscriptionId?: number;
}

function customerOf(site: Site, customerId: number): Readonly<CustomerRow> {
  const row = site.store.customer(customerId);
  if (!row) throw new Error(`no customer has the id ${customerId}`);
  return row;
}

function subscriptionOf(site: Site, subscriptionId: number): Readonly<SubscriptionRow> {
  const row = site.store.subscription(subscriptionId);
  if (!row) throw new Error(`no subscription has the id ${subscriptionId}`);
  return row;
}

/** Refuses a misspelt field, which would otherwise be an edit without effect. */
function known(row: object, changed: Record<string, unknown>): Record<string, unknown> {
  const unknown = Object.keys(changed).filter((key) => key === 'id' || !Object.hasOwn(row, key));
  if (unknown.length > 0) throw new Error(`there are no such fields to edit: ${unknown.join(', ')}`);
  return changed;
}

/** Does one thing as staff would, and tells what it was done to. Throws Error for an unknown id or product. */
export function actAsStaff(site: Site, edit: StaffEdit): Touched {
  const { store, clock } = site;
  switch (edit.do) {
    case 'create-customer':
      return { customerId: plantCustomer(site, edit.customer).id };
    case 'edit-customer': {
      const row = customerOf(site, edit.id);
      store.changeCustomer(row, { updatedMs: clock.nowMs(), ...(known(row, edit.changes) as Partial<CustomerRow>) });
      return { customerId: edit.id };
    }
    case 'delete-customer':
      store.removeCustomer(customerOf(site, edit.id));
      return { customerId: edit.id };
    case 'create-subscription': {
      const row = plantSubscription(site, customerOf(site, edit.customerId), edit.subscription);
      return { customerId: row.customerId, subscriptionId: row.id };
    }
    case 'purge-subscription': {
      const row = subscriptionOf(site, edit.id);
      store.removeSubscription(row);
      return { customerId: row.customerId, subscriptionId: row.id };
    }
    default:
      return changeSubscription(site, edit);
  }
}

type SubscriptionEdit = Extract<
  StaffEdit,
  { do: `${'edit' | 'cancel' | 'hold' | 'renew'}-subscription` | 'move-product' | 'end-subscription-later' }
>;

function changeSubscription(site: Site, edit: SubscriptionEdit): Touched {
  const nowMs = site.clock.nowMs();
  const row = subscriptionOf(site, edit.id);
  site.store.changeSubscription(row, (changing) => {
    changing.updatedMs = nowMs;
    if (edit.do === 'edit-subscription') Object.assign(changing, known(changing, edit.changes));
    else if (edit.do === 'move-product') {
      changing.productId = productNamed(site, edit.product);
      changing.pricePointId = null;
    } else if (edit.do === 'end-subscription-later') endLater(changing, nowMs);
    else if (edit.do === 'hold-subscription') holdAt(changing, nowMs, null);
    else if (edit.do === 'renew-subscription') startPeriod(site, changing, nowMs);
    else {
      cancelNow(changing, nowMs);
      changing.cancellationMethod = 'merchant_ui';
      changing.cancellationMessage = edit.message ?? null;
    }
  });
  return { customerId: row.customerId, subscriptionId: row.id };
}

function productNamed(site: Site, handle: string): number {
  const product = site.products.find((each) => each.handle === handle);
  if (!product) throw new Error(`no product has the handle ${handle}`);
  return product.id;
}
