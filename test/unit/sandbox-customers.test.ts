/**
 * Owns the proof that the sandbox treats customers as Maxio's documentation and live tests say: statuses, texts, lookups, lists.
 * Refuses to test our own client; requests are plain.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { basic, type SandboxApi, startSandbox } from '../support/sandbox-api.ts';

let api: SandboxApi;
beforeAll(async () => {
  api = await startSandbox();
});
beforeEach(() => api.sandbox.state.reset());
afterAll(() => api.sandbox.close());

/** The keys of a customer object as live sites answer it. */
const CUSTOMER_KEYS = [
  'address address_2 address_3 business_type cc_emails city country country_name created_at',
  'default_auto_renewal_profile_id default_subscription_group_uid email entity_identifier_kind entity_identifier_value',
  'first_name id last_name locale maxioid organization parent_id phone portal_customer_created_at',
  'portal_invite_last_accepted_at portal_invite_last_sent_at reference salesforce_id state state_name tax_exempt',
  'tax_exempt_reason updated_at vat_country vat_number vat_status vat_validated_at verified zip',
]
  .join(' ')
  .split(' ');

const ann = { first_name: 'Ann', last_name: 'Lee', email: 'ann@example.com' };

describe('the door', () => {
  test.each([
    ['no key', {}],
    ['a wrong key', { authorization: basic('wrong') }],
    ['a bearer token', { authorization: 'Bearer sandbox-key' }],
    ['the key as the password', { authorization: `Basic ${Buffer.from('x:sandbox-key').toString('base64')}` }],
  ])('answers 401 in plain words to %s, on unknown paths too', async (_case, headers) => {
    for (const path of ['/customers.json', '/nothing.json']) {
      const response = await fetch(api.sandbox.url + path, { headers });
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toBe('Basic realm="Application"');
      expect(await response.text()).toBe('HTTP Basic: Access denied.\n');
    }
  });

  test('takes any password', async () => {
    const authorization = `Basic ${Buffer.from('sandbox-key:whatever').toString('base64')}`;
    expect((await api.send('GET', '/site.json', undefined, { headers: { authorization } })).status).toBe(200);
  });

  test.each([
    ['GET', '/users.json'],
    ['POST', '/users.json'],
    ['PATCH', '/customers/98840116.json'],
    ['GET', '/customers'],
    ['GET', '/customers/abc.json'],
    ['GET', '/__sandboxed.json'],
  ])('answers %s %s with 404 and no body', async (method, path) => {
    const reply = await api.send(method, path);
    expect([reply.status, reply.text, reply.headers.get('content-length')]).toEqual([404, '', '0']);
  });

  test('answers a body that is no JSON with 400, and ignores a form', async () => {
    const broken = await api.send('POST', '/customers.json', undefined, { body: '{"customer":' });
    expect(broken.status).toBe(400);
    const form = await api.send('POST', '/customers.json', undefined, {
      body: 'customer[first_name]=Ann',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect(form.body.errors).toEqual({ customer: "can't be blank" });
  });
});

describe('create', () => {
  test('answers 201 with every key of the API, nulls included', async () => {
    const reply = await api.post('/customers.json', { customer: ann });
    expect(reply.status).toBe(201);
    expect(reply.body.customer).toMatchObject({
      ...ann,
      id: 98_840_116,
      reference: null,
      organization: null,
      address_3: null,
      state_name: null,
      verified: false,
      tax_exempt: false,
      portal_invite_last_sent_at: null,
      entity_identifier_value: null,
      maxioid: expect.stringMatching(/^cus_[a-z0-9-]+$/),
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d-05:00$/),
    });
    expect(Object.keys(reply.body.customer).sort()).toEqual(CUSTOMER_KEYS);
  });

  test('derives the names of country and state', async () => {
    expect(await api.customer({ country: 'US', state: 'TX' })).toMatchObject({
      country_name: 'United States',
      state_name: 'Texas',
    });
    expect(await api.customer({ country: 'QQ' })).toMatchObject({ country_name: null });
  });

  test.each([
    ['no body', undefined],
    ['no root', {}],
    ['an empty root', { customer: {} }],
    ['a root that is no object', { customer: 'x' }],
  ])('refuses %s with the map of errors', async (_case, body) => {
    const reply = await api.post('/customers.json', body);
    expect([reply.status, reply.body.errors]).toEqual([422, { customer: "can't be blank" }]);
  });

  test('lists blank fields in the order of the API', async () => {
    const reply = await api.post('/customers.json', { customer: { first_name: ' ', organization: 'x' } });
    expect([reply.status, reply.body.errors]).toEqual([
      422,
      ['First name: cannot be blank.', 'Last name: cannot be blank.', 'Email address: cannot be blank.'],
    ]);
  });

  test('refuses a malformed e-mail', async () => {
    const reply = await api.post('/customers.json', { customer: { ...ann, email: 'ann' } });
    expect([reply.status, reply.body.errors]).toEqual([422, ['Email address: must be a valid email format.']]);
  });

  test('refuses a reference that is taken, and takes two without one', async () => {
    await api.customer({ reference: 'r-1' });
    const reply = await api.post('/customers.json', { customer: { ...ann, reference: 'r-1' } });
    expect([reply.status, reply.body.errors]).toEqual([422, ['Reference: must be unique - that value has been taken.']]);
    await api.customer({ reference: null });
    await api.customer({ reference: '' });
    expect(api.sandbox.state.customers()).toHaveLength(3);
  });

  test('takes the same e-mail twice, unless the site wants it unique', async () => {
    await api.customer(ann);
    await api.customer(ann);
    api.sandbox.state.settings({ uniqueEmail: true });
    const reply = await api.post('/customers.json', { customer: { ...ann, email: 'ANN@example.com' } });
    expect(reply.body.errors).toEqual(['Email address: must be unique - that value has been taken.']);
  });

  test('ignores an unknown attribute, unless the site refuses it', async () => {
    await api.customer({ emailzzz: 1 });
    api.sandbox.state.settings({ refuseUnknownAttributes: true });
    const reply = await api.post('/customers.json', { customer: { ...ann, emailzzz: 1 } });
    expect([reply.status, reply.body.errors]).toEqual([422, ['unknown attribute: emailzzz']]);
  });
});

describe('read and lookup', () => {
  test('finds by id and by exact reference, with spaces and plus signs encoded', async () => {
    const { id } = await api.customer({ reference: 'a+b c%' });
    expect((await api.get(`/customers/${id}.json`)).body.customer.id).toBe(id);
    expect((await api.get(`/customers/lookup.json?reference=${encodeURIComponent('a+b c%')}`)).body.customer.id).toBe(id);
  });

  test.each([
    '/customers/1.json',
    '/customers/lookup.json?reference=none',
    '/customers/lookup.json',
    '/customers/1/subscriptions.json',
  ])('answers %s with 404 and no body', async (path) => {
    const reply = await api.get(path);
    expect([reply.status, reply.text]).toEqual([404, '']);
  });

  test('tells upper from lower case in references, unless the site does not', async () => {
    await api.customer({ reference: 'Ann' });
    expect((await api.get('/customers/lookup.json?reference=ann')).status).toBe(404);
    api.sandbox.state.settings({ caseInsensitiveReference: true });
    expect((await api.get('/customers/lookup.json?reference=ann')).status).toBe(200);
    expect((await api.post('/customers.json', { customer: { ...ann, reference: 'ANN' } })).status).toBe(422);
  });
});

describe('update', () => {
  test('changes only what was sent and answers the whole customer', async () => {
    const { id } = await api.customer({ phone: '1', organization: 'Acme' });
    api.sandbox.state.advance(60);
    const reply = await api.put(`/customers/${id}.json`, { customer: { phone: null, city: 'Bonn' } });
    expect(reply.status).toBe(200);
    expect(reply.body.customer).toMatchObject({ phone: null, city: 'Bonn', organization: 'Acme', first_name: 'Ann' });
    expect(Date.parse(reply.body.customer.updated_at)).toBeGreaterThan(Date.parse(reply.body.customer.created_at));
  });

  test('leaves updated_at alone when nothing changed', async () => {
    const customer = await api.customer({ phone: '1' });
    api.sandbox.state.advance(60);
    const reply = await api.put(`/customers/${customer.id}.json`, { customer: { phone: '1' } });
    expect(reply.body.customer.updated_at).toBe(customer.updated_at);
  });

  test('looks for the customer before it looks at the body', async () => {
    expect((await api.put('/customers/1.json', {})).status).toBe(404);
    const { id } = await api.customer();
    const reply = await api.put(`/customers/${id}.json`, { customer: {} });
    expect([reply.status, reply.body.errors]).toEqual([422, { customer: "can't be blank" }]);
  });

  test('refuses blank names and the reference of another, and takes its own', async () => {
    await api.customer({ reference: 'r-1' });
    const { id } = await api.customer({ reference: 'r-2' });
    const reply = await api.put(`/customers/${id}.json`, { customer: { last_name: '', reference: 'r-1' } });
    expect([reply.status, reply.body.errors]).toEqual([
      422,
      ['Last name: cannot be blank.', 'Reference: must be unique - that value has been taken.'],
    ]);
    expect((await api.put(`/customers/${id}.json`, { customer: { reference: 'r-2' } })).status).toBe(200);
  });

  test('moves the lookup with the reference', async () => {
    const { id } = await api.customer({ reference: 'old' });
    await api.put(`/customers/${id}.json`, { customer: { reference: 'new' } });
    expect((await api.get('/customers/lookup.json?reference=old')).status).toBe(404);
    expect((await api.get('/customers/lookup.json?reference=new')).body.customer.id).toBe(id);
  });
});

describe('delete', () => {
  test('answers 204, then 404, and frees the reference', async () => {
    const { id } = await api.customer({ reference: 'r-1' });
    const reply = await api.del(`/customers/${id}.json`);
    expect([reply.status, reply.text]).toEqual([204, '']);
    expect((await api.del(`/customers/${id}.json`)).status).toBe(404);
    await api.customer({ reference: 'r-1' });
  });

  test('refuses a customer with subscriptions, by default', async () => {
    const { customer } = await api.subscription();
    expect((await api.del(`/customers/${customer?.id}.json`)).status).toBe(422);
    api.sandbox.state.settings({ refuseDeleteWithSubscriptions: false });
    expect((await api.del(`/customers/${customer?.id}.json`)).status).toBe(204);
    expect(api.sandbox.state.subscriptions()).toEqual([]);
  });
});

describe('list', () => {
  const ids = async (query: string) => (await api.get(`/customers.json?${query}`)).list.map(({ customer }) => customer.id);

  test('shows 50 by default, clamps to 200, and is empty past the end', async () => {
    const all = api.sandbox.state.seed({ customers: 250 }).customers.map(({ id }) => id);
    expect(await ids('')).toEqual(all.slice(0, 50));
    expect(await ids('per_page=500')).toEqual(all.slice(0, 200));
    expect(await ids('per_page=200&page=2&&&&')).toEqual(all.slice(200));
    expect(await ids('page=99')).toEqual([]);
    expect(await ids('per_page=0&page=-1')).toEqual(all.slice(0, 50));
    expect(await ids('direction=desc&per_page=2')).toEqual([all[249], all[248]]);
  });

  test('searches parts of names, e-mail and organization, but only whole ids and references', async () => {
    const { id } = await api.customer({
      first_name: 'Fernando',
      email: 'f@mail.example',
      organization: 'ABC, Inc.',
      reference: 'ref-77',
    });
    await api.customer();
    for (const q of ['nando', 'MAIL.EX', 'ABC', 'ref-77', String(id), 'fernando lee']) {
      expect(await ids(`q=${encodeURIComponent(q)}`), q).toEqual([id]);
    }
    for (const q of ['ref-7', String(id).slice(1), 'nobody']) expect(await ids(`q=${q}`), q).toEqual([]);
  });

  test('filters by days of the site and by inclusive times, and ignores the dates of an unknown field', async () => {
    api.sandbox.state.setClock(new Date('2031-03-01T03:30:00Z'));
    const early = await api.customer();
    api.sandbox.state.setClock(new Date('2031-03-01T12:00:00Z'));
    const late = await api.customer();
    // 03:30 UTC is still the last evening of February at -05:00.
    expect(await ids('date_field=created_at&start_date=2031-02-28&end_date=2031-02-28')).toEqual([early.id]);
    expect(await ids('date_field=created_at&start_date=2031-03-01')).toEqual([late.id]);
    const exactly = encodeURIComponent(late.created_at);
    expect(await ids(`date_field=created_at&start_datetime=${exactly}&end_datetime=${exactly}`)).toEqual([late.id]);
    expect(await ids(`date_field=created_at&end_datetime=${encodeURIComponent('2031-03-01 03:30:00 UTC')}`)).toEqual([early.id]);
    expect(await ids('date_field=birthday&start_date=2031-03-01')).toEqual([early.id, late.id]);
    await api.put(`/customers/${early.id}.json`, { customer: { city: 'Bonn' } });
    expect(await ids('date_field=updated_at&start_date=2031-03-01')).toEqual([early.id, late.id]);
  });
});
