/** Owns how a customer or a subscription, as Maxio answered it, becomes a row of the survey index. Pure. Keeps nothing that nobody asks the index for. */
import type { CustomerRow, SubscriptionRow } from '../directory/survey-index.ts';
import { CUSTOMER_FIELDS, type Customer, type Subscription } from '../maxio/types.ts';

export function customerRow(customer: Customer): CustomerRow {
  return {
    id: customer.id,
    reference: customer.reference === '' ? null : customer.reference,
    email: customer.email,
    name: `${customer.first_name} ${customer.last_name}`.trim(),
    fields: Object.fromEntries(CUSTOMER_FIELDS.map((name) => [name, customer[name]])),
    createdAt: customer.created_at,
    updatedAt: customer.updated_at,
  };
}

/** @returns undefined where Maxio does not say whose subscription it is */
export function subscriptionRow(subscription: Subscription): SubscriptionRow | undefined {
  const { id, customerId, state, productHandle, monthlyCents, reference, ending, cancellationMessage, canceledAt, updatedAt } =
    subscription;
  if (customerId === undefined) return undefined;
  const row: SubscriptionRow = { id, customerId, state, productHandle, monthlyCents, reference, ending, updatedAt };
  return cancellationMessage?.includes('scim=') === true ? { ...row, cancellationMessage, canceledAt } : row;
}
