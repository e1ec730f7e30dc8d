/**
 * Owns what a verified webhook says: its id, which customers it is about, and whether that is anything but what we believe already. Pure.
 * Our own calls cause webhooks, too; what such a one says agrees with our memory, so it costs no reading. Nothing else is concluded from a message:
 * where it does not agree the objects are read again. Source: Maxio's webhooks reference; all values are text, null is empty.
 */
import type { MaxioLink, UserRecord } from '../directory/record.ts';
import { readWebhook } from '../maxio/webhook.ts';
import { foldEmail } from '../scim/fold.ts';

export interface WebhookNews {
  /** The same over all repetitions, and signed, unlike the header of that name. */
  id: string;
  customerIds: string[];
  site: { id?: string; subdomain?: string } | undefined;
  /** What it says, on one line. */
  line: string;
  /** Whether it may be about anything that a person's billing depends on. */
  matters: boolean;
}

/** What one message says. */
export interface Statement {
  reference: string;
  customer?: Record<string, string>;
  subscription?: { id: string; state: string; ending: boolean; product: string };
}

/** Keys of events after which a customer or its subscriptions can look otherwise; payments, invoices and notices are none. */
const MATTERS = /^(customer_|signup_success$|subscription_|pending_cancellation_change$|upgrade_downgrade_success$)/;

/** Read a message; `undefined` when it is none or carries no id, without which it could not be told from its repetitions. */
export function readNews(raw: Buffer): WebhookNews | undefined {
  const message = readWebhook(raw);
  if (message === undefined) return undefined;
  const fields = new URLSearchParams(raw.toString('utf8'));
  const id = fields.get('id') ?? '';
  if (id === '' || id.length > 100) return undefined;
  return {
    id,
    customerIds: message.customerIds,
    site: message.site,
    line: JSON.stringify(statementOf(fields)),
    matters: MATTERS.test(message.event) && message.customerIds.length > 0,
  };
}

function statementOf(fields: URLSearchParams): Statement {
  const said = (path: string): string => fields.get(`payload${path}`) ?? '';
  if (fields.has('payload[subscription][id]')) {
    const scheduled = [said('[subscription][delayed_cancel_at]'), said('[subscription][scheduled_cancellation_at]')];
    return {
      reference: said('[subscription][customer][reference]'),
      subscription: {
        id: said('[subscription][id]'),
        state: said('[subscription][state]'),
        ending: said('[subscription][cancel_at_end_of_period]') === 'true' || scheduled.some((at) => at !== ''),
        product: said('[subscription][product][handle]'),
      },
    };
  }
  const customer: Record<string, string> = {};
  for (const [path, value] of fields) {
    const name = /^payload\[customer\]\[(\w+)\]$/.exec(path)?.[1];
    if (name !== undefined) customer[name] = value;
  }
  return { reference: said('[customer][reference]'), customer };
}

/** What several messages about one customer said; `undefined` when that is not known any more. */
export function statementsIn(lines: string): Statement[] | undefined {
  try {
    return lines.split('\n').map((line) => JSON.parse(line) as Statement);
  } catch {
    return undefined;
  }
}

/** Say whether a message tells nothing but what we believe of this person's customer. */
export function agrees(record: UserRecord, { reference, customer, subscription }: Statement): boolean {
  const { link } = record;
  if (link === undefined || reference !== record.reference) return false;
  if (subscription !== undefined) return agreesWith(link, subscription);
  return (
    customer !== undefined &&
    customer.id === link.customerId &&
    link.inDoubt !== true &&
    Object.entries(link.confirmed).every(([name, ours]) => same(name, ours ?? '', customer[name]))
  );
}

function agreesWith(link: MaxioLink, said: NonNullable<Statement['subscription']>): boolean {
  const known = link.subscriptions.find(({ id }) => id === said.id);
  if (known === undefined) return false;
  const ending = known.endedBy === 'cancel_at_period_end' && known.state !== 'canceled';
  return said.state === known.state && said.ending === ending && said.product === (known.productHandle ?? '');
}

function same(name: string, ours: string, said: string | undefined): boolean {
  if (said === undefined) return false;
  return name === 'email' ? foldEmail(ours) === foldEmail(said) : ours.trim() === said.trim();
}
