/**
 * Owns the attribute table of our own extension of User: what an administrator wants to know about a person's billing, without leaving
 * SCIM. All of it is read-only and returned on request only, so that no client ever sends it back by habit. Refuses any behaviour.
 * RFC 7643 §3.3 (extensions), §7 (`returned`).
 */
import { type Attribute, attribute, complex } from './attribute.ts';

const TOLD = { mutability: 'readOnly', returned: 'request' } as const;
/** Within a value that is returned on request, every part comes with it. */
const PART = { mutability: 'readOnly' } as const;

export const BILLING_ATTRIBUTES: readonly Attribute[] = [
  attribute('customerId', "The id of the person's customer at Maxio.", { caseExact: true, ...TOLD }),
  attribute('reference', 'The permanent reference of the customer at Maxio.', { caseExact: true, ...TOLD }),
  attribute('state', 'How far what was asked for is true at Maxio.', {
    canonicalValues: ['pending', 'settled', 'parked', 'held', 'paused', 'postponed', 'retry'],
    ...TOLD,
  }),
  attribute('reason', 'A word for why it is not true yet.', TOLD),
  attribute('detail', 'What happened, and what to do next.', TOLD),
  attribute('lastSettled', 'When all that was asked for was last true at Maxio.', { type: 'dateTime', ...TOLD }),
  complex(
    'subscriptions',
    "The customer's subscriptions that this service looks after, as last seen.",
    [
      attribute('value', 'The id of the subscription at Maxio.', { caseExact: true, ...PART }),
      attribute('product', 'The handle of its product.', { caseExact: true, ...PART }),
      attribute('state', "Maxio's word for its state.", PART),
    ],
    { multiValued: true, ...TOLD },
  ),
];
