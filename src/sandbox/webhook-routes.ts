/**
 * Owns the admin side of webhooks: endpoints, the log, replay, and the switch for all of them.
 * Refuses to deliver. Answers to Webhooks of developers.maxio.com; `/endpoints.json` is the one list without envelopes.
 */
import { blankRoot, notFound, ok, refused } from './answers.ts';
import { formatInstant, formatMoment, parseInstant } from './clock.ts';
import { pageOf } from './paging.ts';
import { asFlag, asInteger, asText, isObject, type Operation, type Route, rootOf, type Site } from './site.ts';
import { signaturesOf } from './webhook-form.ts';
import { type Delivery, ENDPOINTS_MAX, type Endpoint, WEBHOOK_KEYS } from './webhook-log.ts';

const PER_PAGE_DEFAULT = 20;
const REPLAY_MAX = 1_000;

function endpointJson({ id, url, keys }: Endpoint, site: Site) {
  return {
    id,
    url,
    site_id: site.id,
    status: site.settings.webhooksEnabled ? 'enabled' : 'disabled',
    webhook_subscriptions: keys,
  };
}

/** Reads what an endpoint shall be; answers the sentences of the refusal. */
function readEndpoint(sent: Record<string, unknown>): { url: string; keys: string[] } | string[] {
  const url = asText(sent.url) ?? '';
  const keys = Array.isArray(sent.webhook_subscriptions) ? sent.webhook_subscriptions.map(String) : [];
  const problems: string[] = [];
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    problems.push('URL: invalid, only http and https supported');
  }
  if (keys.some((key) => !WEBHOOK_KEYS.includes(key))) problems.push('Webhook Subscriptions: is not included in the list.');
  return problems.length > 0 ? problems : { url, keys };
}

const createEndpoint: Operation = (site, { body }) => {
  const sent = rootOf(body, 'endpoint');
  if (!sent) return blankRoot('endpoint');
  if (site.webhooks.endpoints().length >= ENDPOINTS_MAX) return refused(`A site can have at most ${ENDPOINTS_MAX} endpoints.`);
  const read = readEndpoint(sent);
  if (Array.isArray(read)) return refused(...read);
  return ok({ endpoint: endpointJson(site.webhooks.addEndpoint(read.url, read.keys), site) }, 201);
};

const updateEndpoint: Operation = (site, { params, body }) => {
  const endpoint = site.webhooks.endpoint(asInteger(params.id) ?? 0);
  if (!endpoint) return notFound();
  const sent = rootOf(body, 'endpoint');
  if (!sent) return blankRoot('endpoint');
  const read = readEndpoint({ url: endpoint.url, webhook_subscriptions: endpoint.keys, ...sent });
  if (Array.isArray(read)) return refused(...read);
  Object.assign(endpoint, read);
  return ok({ endpoint: endpointJson(endpoint, site) });
};

const listEndpoints: Operation = (site) => ok(site.webhooks.endpoints().map((endpoint) => endpointJson(endpoint, site)));

function statusOf({ acceptedMs, nextMs }: Delivery): 'pending' | 'successful' | 'failed' {
  if (nextMs !== null) return 'pending';
  return acceptedMs === null ? 'failed' : 'successful';
}

function webhookJson(site: Site, delivery: Delivery) {
  const { webhookKey, utcOffsetMinutes } = site.settings;
  const { hmac, md5 } = signaturesOf(webhookKey, delivery.body);
  const at = (instantMs: number | null): string | null => formatInstant(instantMs, utcOffsetMinutes);
  return {
    id: delivery.id,
    event: delivery.event,
    created_at: formatMoment(delivery.createdMs, utcOffsetMinutes),
    accepted_at: at(delivery.acceptedMs),
    last_sent_at: at(delivery.lastSentMs) ?? undefined,
    last_sent_url: delivery.lastSentUrl ?? undefined,
    last_error: delivery.lastError ?? undefined,
    last_error_at: at(delivery.lastErrorMs) ?? undefined,
    successful: statusOf(delivery) === 'successful',
    body: delivery.body,
    signature: md5,
    signature_hmac_sha_256: hmac,
  };
}

const list: Operation = (site, { query }) => {
  const status = query.get('status');
  const subscription = asInteger(query.get('subscription'));
  const offset = site.settings.utcOffsetMinutes;
  const sinceMs = parseInstant(query.get('since_date'), offset) ?? Number.NEGATIVE_INFINITY;
  const untilMs = parseInstant(query.get('until_date'), offset) ?? Number.POSITIVE_INFINITY;
  const rows = site.webhooks.deliveries().filter((delivery) => {
    if (status && statusOf(delivery) !== status) return false;
    if (subscription !== undefined && delivery.subscriptionId !== subscription) return false;
    return delivery.createdMs >= sinceMs && delivery.createdMs <= untilMs;
  });
  if (query.get('order') !== 'oldest_first') rows.reverse();
  return ok(pageOf(rows, query, PER_PAGE_DEFAULT).map((delivery) => ({ webhook: webhookJson(site, delivery) })));
};

const replay: Operation = (site, { body }) => {
  const ids = isObject(body) && Array.isArray(body.ids) ? body.ids.map(asInteger).filter((id) => id !== undefined) : [];
  if (ids.length === 0 || ids.length > REPLAY_MAX) return refused(`Ids: between 1 and ${REPLAY_MAX} are needed.`);
  site.webhooks.replay(ids, site.clock.nowMs());
  return ok({ status: 'ok' });
};

const settings: Operation = (site, { body }) => {
  site.settings.webhooksEnabled = asFlag(isObject(body) ? body.webhooks_enabled : undefined);
  return ok({ webhooks_enabled: site.settings.webhooksEnabled });
};

export const webhookRoutes: readonly Route[] = [
  { method: 'GET', template: '/endpoints.json', operation: listEndpoints },
  { method: 'POST', template: '/endpoints.json', operation: createEndpoint },
  { method: 'PUT', template: '/endpoints/{id}.json', operation: updateEndpoint },
  { method: 'GET', template: '/webhooks.json', operation: list },
  { method: 'POST', template: '/webhooks/replay.json', operation: replay },
  { method: 'PUT', template: '/webhooks/settings.json', operation: settings },
];
