/**
 * Owns every switch of the sandbox: the limits of a site, and one switch for each point on which Maxio's documentation is silent.
 * Refuses to guess kindly: where the truth is unknown, the default is the behaviour that is harder on a client.
 * Answers to the "About the API" pages of developers.maxio.com (error handling, duplicate prevention) and the site settings.
 */
import { z } from 'zod';

export const settingsSchema = z.strictObject({
  /** Requests worked on at the same time; more of them wait. */
  slots: z.int().min(1),
  /** Requests that may wait for a slot; one more is answered 429. */
  queueLimit: z.int().min(0),
  /** Arrivals allowed in any rolling window, refused ones included; null is no quota, as Maxio documents none. */
  quota: z.int().min(0).nullable(),
  windowSeconds: z.number().positive(),
  /** The format of the 429 body is unpublished: plain text, or `{"errors":[…]}`. */
  throttleAsJson: z.boolean(),
  /** How long a stalled request is kept before the connection is cut, in ms; Maxio cuts at 120 s. */
  cutoffMs: z.int().min(0),
  tokenWindowSeconds: z.number().positive(),
  uniqueSubscriptionReference: z.boolean(),
  uniqueEmail: z.boolean(),
  caseInsensitiveReference: z.boolean(),
  refuseUnknownAttributes: z.boolean(),
  refuseDeleteWithSubscriptions: z.boolean(),
  /** A `customer_reference` with a plus sign does not resolve when subscribing, though lookup finds it. */
  plusBreaksCustomerReference: z.boolean(),
  /** A refused signup leaves its new customer behind. */
  failedSignupKeepsCustomer: z.boolean(),
  /** The site's zone; timestamps carry this offset, daylight saving is not modelled. */
  utcOffsetMinutes: z.int().min(-720).max(840),
  relationshipInvoicing: z.boolean(),
  scheduledCancellation: z.boolean(),
  defaultCollectionMethod: z.enum(['automatic', 'remittance', 'prepaid', 'invoice']),
  /** Every automatic renewal fails and goes past due. */
  paymentsFail: z.boolean(),
  dunningDays: z.number().positive(),
  dunningEnds: z.enum(['unpaid', 'canceled']),
  /** How long after the fact an event can be read. */
  eventDelaySeconds: z.number().min(0),
  /** Signs the webhooks; Maxio calls it the site's shared key. */
  webhookKey: z.string(),
  webhooksEnabled: z.boolean(),
  /** How long an endpoint has to answer, in ms. */
  webhookTimeoutMs: z.int().min(1),
  /** Nothing is sent by itself; a test says when. */
  webhooksHeld: z.boolean(),
  webhookDelaySeconds: z.number().min(0),
  /** In which order waiting messages are sent when a test says so. */
  webhookOrder: z.enum(['as-happened', 'reversed']),
  /** How many more times each message is sent. */
  webhookDuplicates: z.int().min(0),
  /** What is spoiled after signing. */
  webhookTamper: z.enum(['nothing', 'body', 'signature']),
});

export type Settings = z.infer<typeof settingsSchema>;

export const defaultSettings: Readonly<Settings> = {
  slots: 4,
  queueLimit: 16,
  quota: null,
  windowSeconds: 3_600,
  throttleAsJson: false,
  cutoffMs: 120_000,
  tokenWindowSeconds: 3_600,
  uniqueSubscriptionReference: false,
  uniqueEmail: false,
  caseInsensitiveReference: false,
  refuseUnknownAttributes: false,
  refuseDeleteWithSubscriptions: true,
  plusBreaksCustomerReference: false,
  failedSignupKeepsCustomer: false,
  utcOffsetMinutes: -300,
  relationshipInvoicing: true,
  scheduledCancellation: false,
  defaultCollectionMethod: 'automatic',
  paymentsFail: false,
  dunningDays: 14,
  dunningEnds: 'unpaid',
  eventDelaySeconds: 0,
  webhookKey: 'sandbox-shared-key',
  webhooksEnabled: true,
  webhookTimeoutMs: 15_000,
  webhooksHeld: false,
  webhookDelaySeconds: 0,
  webhookOrder: 'as-happened',
  webhookDuplicates: 0,
  webhookTamper: 'nothing',
};
