/**
 * Owns what the sandbox keeps of a customer and of a subscription. Refuses to know JSON: times are epoch milliseconds, money is cents,
 * and everything that can be derived is left out. The shapes that leave are in customer-json.ts and subscription-json.ts.
 */

export const CUSTOMER_TEXT_KEYS = [
  'first_name',
  'last_name',
  'email',
  'cc_emails',
  'organization',
  'reference',
  'address',
  'address_2',
  'city',
  'state',
  'zip',
  'country',
  'phone',
  'locale',
  'vat_number',
  'tax_exempt_reason',
  'salesforce_id',
] as const;

export type CustomerTextKey = (typeof CUSTOMER_TEXT_KEYS)[number];

export interface CustomerRow extends Record<CustomerTextKey, string | null> {
  id: number;
  first_name: string;
  last_name: string;
  email: string;
  tax_exempt: boolean;
  verified: boolean;
  parent_id: number | null;
  createdMs: number;
  updatedMs: number;
}

export interface SubscriptionRow {
  id: number;
  customerId: number;
  productId: number;
  /** One that a merchant has named; null for the default of the product. */
  pricePointId: number | null;
  /** An open string: staff edits may set states that the API has not documented. */
  state: string;
  previousState: string;
  reference: string | null;
  collectionMethod: string;
  /** Whether a card or account is on file. The sandbox keeps no card data. */
  hasPaymentProfile: boolean;
  balanceCents: number;
  revenueCents: number;
  createdMs: number;
  updatedMs: number;
  activatedMs: number | null;
  trialStartedMs: number | null;
  trialEndedMs: number | null;
  periodStartedMs: number | null;
  periodEndsMs: number | null;
  /** The day of the month on which periods turn. */
  anchorDay: number;
  expiresMs: number | null;
  canceledMs: number | null;
  cancellationMessage: string | null;
  cancellationMethod: string | null;
  reasonCode: string | null;
  cancelAtPeriodEnd: boolean;
  delayedCancelMs: number | null;
  onHoldMs: number | null;
  autoResumeMs: number | null;
  pastDueMs: number | null;
  /** When a signup that waits will happen. */
  signupMs: number | null;
  receivesInvoiceEmails: boolean;
  netTerms: number | null;
}
