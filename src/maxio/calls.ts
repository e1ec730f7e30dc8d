/**
 * Owns the closed table of everything this product may ever ask of Maxio: an API key has no scopes, so this list is the scope.
 * Purging, deleting customers and every site-wide route are absent on purpose. Refuses to know how a call is sent.
 * Source: developers.maxio.com, sites, products, customers, subscriptions and events.
 */

export interface Call {
  /** The call in words, for errors and logs. */
  readonly words: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With `{id}`, `{handle}` or `{price}` where one goes; safe as a metric label. */
  readonly template: string;
}

export const CALLS = {
  readSite: { words: 'read site', method: 'GET', template: '/site.json' },
  readProduct: { words: 'read product', method: 'GET', template: '/products/handle/{handle}.json' },
  readPricePoint: {
    words: 'read price point',
    method: 'GET',
    template: '/products/handle:{handle}/price_points/handle:{price}.json',
  },
  listCustomers: { words: 'list customers', method: 'GET', template: '/customers.json' },
  listAllSubscriptions: { words: 'list all subscriptions', method: 'GET', template: '/subscriptions.json' },
  listEvents: { words: 'list events', method: 'GET', template: '/events.json' },
  lookupCustomer: { words: 'look up customer', method: 'GET', template: '/customers/lookup.json' },
  readCustomer: { words: 'read customer', method: 'GET', template: '/customers/{id}.json' },
  createCustomer: { words: 'create customer', method: 'POST', template: '/customers.json' },
  updateCustomer: { words: 'update customer', method: 'PUT', template: '/customers/{id}.json' },
  setReference: { words: 'set reference', method: 'PUT', template: '/customers/{id}.json' },
  listSubscriptions: { words: 'list subscriptions', method: 'GET', template: '/customers/{id}/subscriptions.json' },
  readSubscription: { words: 'read subscription', method: 'GET', template: '/subscriptions/{id}.json' },
  createSubscription: { words: 'create subscription', method: 'POST', template: '/subscriptions.json' },
  cancelSubscription: { words: 'cancel subscription', method: 'DELETE', template: '/subscriptions/{id}.json' },
  delayCancel: { words: 'schedule cancel', method: 'POST', template: '/subscriptions/{id}/delayed_cancel.json' },
  undoDelayedCancel: { words: 'undo scheduled cancel', method: 'DELETE', template: '/subscriptions/{id}/delayed_cancel.json' },
  changeProduct: { words: 'change product of subscription', method: 'PUT', template: '/subscriptions/{id}.json' },
  reactivate: { words: 'reactivate subscription', method: 'PUT', template: '/subscriptions/{id}/reactivate.json' },
  hold: { words: 'hold subscription', method: 'POST', template: '/subscriptions/{id}/hold.json' },
  resume: { words: 'resume subscription', method: 'POST', template: '/subscriptions/{id}/resume.json' },
} as const satisfies Record<string, Call>;

/**
 * The shape of every id Maxio has ever issued, with room for what its versioning rules allow, and of an API handle, which an
 * operator has chosen; neither lets `..` or `/` into a path.
 */
const HANDLE = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,254}$/;
const PLACES = { '{id}': /^[A-Za-z0-9_-]{1,64}$/, '{handle}': HANDLE, '{price}': HANDLE } as const;

/**
 * Builds the path of a call.
 * @param named what goes into the places of the template, in their order
 * @throws TypeError when the template wants an id or a handle and this is none; the value is not repeated
 */
export function pathOf(call: Call, named?: string | readonly string[], query?: Record<string, string>): string {
  let path = call.template;
  const names = typeof named === 'string' ? [named] : [...(named ?? [])];
  for (const [place, shape] of Object.entries(PLACES)) {
    if (!path.includes(place)) continue;
    const id = names.shift();
    if (id === undefined || !shape.test(id))
      throw new TypeError(`Maxio: ${call.words}: not ${place === '{id}' ? 'an id' : 'a handle'} of Maxio`);
    path = path.replace(place, encodeURIComponent(id));
  }
  return query === undefined ? path : `${path}?${new URLSearchParams(query)}`;
}
