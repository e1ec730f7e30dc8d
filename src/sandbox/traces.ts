/**
 * Owns what each change of the site leaves behind: its events, and the messages about them for the endpoints that listen.
 * Refuses to send anything. Answers to Events and Webhooks of developers.maxio.com.
 */
import { customerJson } from './customer-json.ts';
import type { EventRow } from './journal.ts';
import type { Site } from './site.ts';
import type { Change } from './store.ts';
import { productOf, subscriptionJson } from './subscription-json.ts';
import { formOf } from './webhook-form.ts';
import { whatHappened } from './what-happened.ts';

/** Writes down a change in the journal and in the log of webhooks. */
export function leaveTraces(site: Site, change: Change): void {
  const { clock, settings, journal, webhooks } = site;
  const nowMs = clock.nowMs();
  for (const event of whatHappened(site, change)) {
    const row = journal.add(event, nowMs, settings.eventDelaySeconds * 1_000);
    if (settings.webhooksEnabled) webhooks.note(row, change, nowMs + settings.webhookDelaySeconds * 1_000);
  }
}

/** Writes the message about an event as its endpoint will get it: with the object as it is at this moment. */
export function writeMessage(site: Site, id: number, event: EventRow, change: Change): string {
  const payload: Record<string, unknown> = { site: { id: site.id, subdomain: site.subdomain } };
  if (change.of === 'customer' && change.is) payload.customer = customerJson(change.is, site.settings.utcOffsetMinutes);
  if (change.of === 'subscription' && change.is) payload.subscription = subscriptionJson(site, change.is);
  if (change.of === 'subscription' && change.was && event.key === 'subscription_product_change') {
    const { id: productId, name } = productOf(site, change.was);
    payload.previous_product = { id: productId, name };
  }
  return formOf({ id, event: event.key, payload: { ...payload, event_id: event.id } });
}
