/**
 * Owns telling a message of Maxio's webhooks from anybody else's, and reading which objects it is about.
 * Refuses to believe what it says of them (whoever cares reads them again), to remember what has been seen, and to limit floods.
 * Source: Maxio's webhooks reference: a form in the body, HMAC-SHA256 of its raw bytes under the site's shared key.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Secret } from '../secret.ts';

export interface WebhookMessage {
  /** The event's key, such as `customer_update`, or a word that Maxio has added since. */
  event: string;
  customerIds: string[];
  subscriptionIds: string[];
  /** Who sent it, as far as the message says. */
  site?: { id?: string; subdomain?: string };
}

const BYTES_MAX = 64 * 1024;
const FIELDS_MAX = 2_000;
const ID = /^[A-Za-z0-9_-]{1,64}$/;
const SIGNATURE = /^[0-9a-f]{64}$/;

/**
 * Tells whether the body was signed with the site's shared key.
 * @param raw the body before anybody has parsed it: written anew, the same form has other bytes
 * @param signature the header `X-Chargify-Webhook-Signature-Hmac-Sha-256`; the older MD5 one proves nothing today
 */
export function verifyWebhook(key: Secret, raw: Buffer, signature: string | undefined): boolean {
  if (signature === undefined || !SIGNATURE.test(signature)) return false;
  const expected = createHmac('sha256', key.reveal()).update(raw).digest();
  return timingSafeEqual(expected, Buffer.from(signature, 'hex'));
}

/** Reads which objects a message is about; `undefined` for what is no message of Maxio or beyond any size it has. */
export function readWebhook(raw: Buffer): WebhookMessage | undefined {
  if (raw.length > BYTES_MAX || count(raw, '&') >= FIELDS_MAX) return undefined;
  const fields = new URLSearchParams(raw.toString('utf8'));
  const event = fields.get('event') ?? '';
  if (!/^[a-z0-9_]{1,100}$/.test(event)) return undefined;
  const customerIds = new Set<string>();
  const subscriptionIds = new Set<string>();
  for (const [name, value] of fields) {
    const kind = kindOf(name);
    if (kind !== undefined && ID.test(value)) (kind === 'customer' ? customerIds : subscriptionIds).add(value);
  }
  const id = fields.get('payload[site][id]') ?? '';
  const subdomain = fields.get('payload[site][subdomain]') ?? '';
  const site = { ...(id !== '' && { id }), ...(subdomain !== '' && { subdomain }) };
  return {
    event,
    customerIds: [...customerIds],
    subscriptionIds: [...subscriptionIds],
    ...((id !== '' || subdomain !== '') && { site }),
  };
}

/** What the id under this name is of; the objects stand at any depth, a customer mostly inside a subscription. */
function kindOf(name: string): 'customer' | 'subscription' | undefined {
  const found = /^payload(?:\[[a-z0-9_]*\])*?\[(customer|subscription)(?:\]\[|_)id\]$/.exec(name);
  return found?.[1] as 'customer' | 'subscription' | undefined;
}

function count(raw: Buffer, sign: string): number {
  let found = 0;
  for (let at = raw.indexOf(sign); at !== -1; at = raw.indexOf(sign, at + 1)) found += 1;
  return found;
}
