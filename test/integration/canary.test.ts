/**
 * Nothing secret and nothing personal comes out where it does not belong. Every secret that a service can be given, and every kind of personal value that an
 * identity provider sends, is a word found nowhere else; a service with them lives through changes, bad input, a Maxio that throws everything back at it, Redis
 * away, failures nobody expects, sudden death and a wrong configuration; and then everything that came out of any opening is searched for the words.
 */
import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CORE_USER, ENTERPRISE_USER } from '../../src/scim/types.ts';
import { Canaries } from '../support/canaries.ts';
import { CanaryLife, type Living, type Planted, plantSecrets } from '../support/canary-life.ts';
import { startCli } from '../support/cli.ts';
import { patchOf } from '../support/scim-server.ts';
import { until } from '../support/until.ts';

const planted: Planted = plantSecrets();
const { secrets } = planted;
const people = new Canaries();
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const SITE = 'us.acme';
const WAIT = { timeoutMs: 90_000, everyMs: 100 };

let life: CanaryLife;
/** Values that Redis held while work was waiting, and at the end. */
const seen: { when: string; key: string; value: string }[] = [];

/** Somebody of whom every attribute is a word. */
function somebody(who: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  const word = (what: string): string => people.plant(`${what} of ${who}`);
  const address = `${word('e-mail')}@${word('domain')}.example`;
  return {
    schemas: [CORE_USER, ENTERPRISE_USER],
    userName: address,
    externalId: word('externalId'),
    name: {
      givenName: word('given name'),
      familyName: word('family name'),
      formatted: word('formatted name'),
      honorificPrefix: word('title of honour'),
    },
    displayName: word('display name'),
    nickName: word('nickname'),
    title: word('title'),
    profileUrl: `https://people.example/${word('profile')}`,
    password: secrets.plant(`password of ${who}`),
    emails: [
      { type: 'work', value: address, primary: true },
      { type: 'home', value: `${word('other e-mail')}@home.example` },
    ],
    phoneNumbers: [{ type: 'work', value: `+49 ${word('phone')}` }],
    addresses: [
      { type: 'work', streetAddress: word('street'), locality: word('city'), postalCode: word('postal code'), country: 'DE' },
    ],
    photos: [{ value: `https://photos.example/${word('photo')}.png` }],
    x509Certificates: [{ value: Buffer.from(word('certificate')).toString('base64') }],
    [ENTERPRISE_USER]: {
      employeeNumber: word('employee number'),
      department: word('department'),
      manager: { displayName: word('manager') },
    },
    'urn:acme:2.0:Badge': { number: word('badge') },
    active: true,
    ...more,
  };
}

interface Answer {
  status: number;
  text: string;
  body: Record<string, unknown>;
}

/** Asks, and keeps the answer where it came out. Whoever may see people is kept apart from everybody else. */
async function ask(where: string, url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { redirect: 'manual', ...init });
  const text = await response.text();
  life.keep(where, `${response.status} ${JSON.stringify([...response.headers])} ${text}`);
  let body: Record<string, unknown> = {};
  try {
    body = JSON.parse(text) as Record<string, unknown>;
  } catch {
    // Not everything is JSON.
  }
  return { status: response.status, text, body };
}

function scim({ url }: Living, method: string, path: string, body?: unknown, token = planted.scimToken): Promise<Answer> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json' };
  return ask('SCIM, asked by the identity provider', `${url}/scim/v2${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
}

function ops({ url }: Living, method: string, path: string, body?: unknown, token = planted.operators.anna): Promise<Answer> {
  const headers = { authorization: `Bearer ${token ?? ''}`, 'content-type': 'application/json' };
  return ask('ops, asked by an operator', `${url}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
}

/** Looks into everything that is there to be looked into. */
async function look(living: Living, when: string): Promise<void> {
  for (const path of ['/health', '/readyz', '/livez']) await ask('health', `${living.url}${path}`);
  await ask('metrics', `${living.url}/metrics`, { headers: { authorization: `Bearer ${planted.opsToken}` } });
  for (const path of ['/ops/api/doctor', '/ops/api/status']) {
    const { text } = await ops(living, 'GET', path);
    life.keep('doctor and status', text);
  }
  for (const row of await life.redisContents().catch(() => [])) seen.push({ when, ...row });
}

const settled = async ({ url }: Living): Promise<boolean> => {
  const { sites } = (await (await fetch(`${url}/health`)).json()) as {
    sites: Record<string, { pending: number; held: number; parked: number }>;
  };
  return (sites[SITE]?.pending ?? 1) <= (sites[SITE]?.held ?? 0) + (sites[SITE]?.parked ?? 0);
};

/** What people do on a good day. @returns ids */
async function goodDay(api: Living): Promise<string[]> {
  const ids: string[] = [];
  for (const who of ['ann', 'bob', 'cal', 'dan', 'eve', 'fay']) {
    const { status, body } = await scim(api, 'POST', '/Users', somebody(who));
    expect(status).toBe(201);
    ids.push(String(body.id));
  }
  const [ann, bob, cal] = ids;
  await scim(api, 'PUT', `/Users/${ann}`, somebody('ann again'));
  await scim(
    api,
    'PATCH',
    `/Users/${bob}`,
    patchOf({ op: 'replace', path: 'name.familyName', value: people.plant('new family name') }),
  );
  const group = await scim(api, 'POST', '/Groups', {
    displayName: people.plant('group'),
    externalId: people.plant('externalId of the group'),
    members: ids.map((value) => ({ value })),
  });
  await scim(api, 'PATCH', `/Groups/${String(group.body.id)}`, patchOf({ op: 'remove', path: `members[value eq "${cal}"]` }));
  await scim(api, 'POST', '/Bulk', {
    schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
    Operations: [{ method: 'POST', path: '/Users', bulkId: 'qwerty', data: somebody('gil') }],
  });
  return ids;
}

/** Keys of the other kinds: made by operators, given out for a secret, opened by signing in. */
async function makeTokens(api: Living): Promise<void> {
  const made = await ops(api, 'POST', '/ops/api/tokens', { site: SITE, note: 'canary' });
  secrets.keep('a token that an operator has made', String(made.body.token));
  const client = await ops(api, 'POST', '/ops/api/clients', { site: SITE, note: 'canary', secret: {} });
  const secret = secrets.keep('the secret of an OAuth client', String(client.body.secret));
  // Each is shown in the one answer that makes it.
  life.out.delete('ops, asked by an operator');
  const asked = await fetch(`${api.url}/oauth/token`, {
    method: 'POST',
    headers: FORM,
    body: `grant_type=client_credentials&client_id=${String(client.body.id)}&client_secret=${secret}`,
  });
  const { access_token: access } = (await asked.json()) as { access_token: string };
  secrets.keep('an access token', access);
  expect((await scim(api, 'GET', '/Users?count=1', undefined, access)).status).toBe(200);
  expect((await scim(api, 'GET', '/Users?count=1', undefined, String(made.body.token))).status).toBe(200);
  const signedIn = await fetch(`${api.url}/ops/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { ...FORM, 'sec-fetch-site': 'same-origin' },
    body: `token=${planted.operators.anna}`,
  });
  const session = /maxio_scim_ops=([^;]+)/.exec(signedIn.headers.get('set-cookie') ?? '')?.[1] ?? '';
  expect(session.length).toBeGreaterThan(20);
  secrets.keep('a session', session);
  await ask('ops, asked by an operator', `${api.url}/ops`, { headers: { cookie: `maxio_scim_ops=${session}` } });
}

/** What only a mistake or an attack sends, with words in every place that takes one. */
async function badDay(api: Living, id: string): Promise<void> {
  const word = (what: string): string => people.plant(`${what}, badly sent`);
  const filter = (text: string): string => `/Users?filter=${encodeURIComponent(text)}`;
  for (const [method, path, body] of [
    ['POST', '/Users', `{"userName":"${word('broken JSON')}`],
    ['POST', '/Users', `{"userName":"${word('twice')}","userName":"b"}`],
    ['POST', '/Users', { userName: `${word('with a NUL')}\u0000` }],
    ['POST', '/Users', { userName: [word('list')] }],
    [
      'POST',
      '/Users',
      { userName: word('bad mail'), emails: [{ value: `${word('not an address')} x` }], active: word('active') },
    ],
    ['PATCH', `/Users/${id}`, patchOf({ op: 'replace', path: `${word('path')}[`, value: word('value') })],
    ['PATCH', `/Users/${id}`, patchOf({ op: word('operation'), path: 'title', value: word('value') })],
    ['PATCH', `/Users/${id}`, patchOf({ op: 'replace', path: `emails[type eq "${word('type')}"].nothing`, value: 1 })],
    ['GET', filter(`userName eq "${word('filter')}"`)],
    ['GET', filter(`userName zz "${word('operator')}"`)],
    ['GET', filter(`${word('attribute')} eq "`)],
    ['GET', `/Users?sortBy=${word('sortBy')}&attributes=${word('attributes')}&count=${word('count')}`],
    ['GET', `/Users/${word('id')}`],
    ['GET', `/Users/%zz${word('undecodable')}`],
    ['GET', `/${word('unknown path')}`],
    ['POST', '/Groups', { displayName: word('group'), members: [{ value: word('member') }] }],
    ['POST', '/Bulk', { schemas: [], Operations: [{ method: 'POST', path: `/${word('bulk path')}`, data: {} }] }],
    ['POST', '/.search', { filter: word('search') }],
  ] as const)
    await scim(api, method, path, body);
  for (const authorization of [
    `Bearer ${secrets.plant('a wrong token')}`,
    `Basic ${Buffer.from(`admin:${secrets.plant('a pasted password')}`).toString('base64')}`,
    `Bearer smx_aaaaaaaaaaaa_${secrets.plant('a wrong made token', 43)}`,
    secrets.plant('a bare token'),
  ]) {
    for (const path of [
      `/scim/v2${filter(`userName eq "${word('without a right token')}"`)}`,
      `/ops/api/people/${word('without a right ops token')}`,
      '/metrics',
      `/ops?${word('query of the page')}`,
    ])
      await ask('asked without a right token', `${api.url}${path}`, {
        headers: {
          authorization,
          cookie: `maxio_scim_ops=${secrets.plant('a wrong session')}; other=${secrets.plant('another cookie')}`,
          referer: `https://x.example/${word('referer')}`,
          'user-agent': word('agent'),
          'x-forwarded-for': word('forwarded'),
        },
      });
  }
  const page = { method: 'POST', headers: { ...FORM, 'sec-fetch-site': 'same-origin' } };
  await ask('asked without a right token', `${api.url}/ops/sign-in`, {
    ...page,
    body: `token=${secrets.plant('a wrong ops token')}`,
  });
  await ask('asked without a right token', `${api.url}/oauth/token`, {
    ...page,
    body: `grant_type=client_credentials&client_id=smc_aaaaaaaaaaaa&client_secret=${secrets.plant('a wrong client secret')}`,
  });
  await ask('asked without a right token', `${api.url}/oauth/token`, {
    ...page,
    body: `grant_type=client_credentials&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=eyJ.${secrets.plant('a wrong assertion')}.x`,
  });
  for (const [method, path, body] of [
    ['POST', '/ops/api/parked/retry', `{"ids":["${word('id for ops')}`],
    ['POST', '/ops/api/tokens', { site: word('site for ops'), note: secrets.plant('a secret in a note that is refused') }],
    ['POST', '/ops/api/import', word('import')],
    ['PUT', '/ops/api/group-plans', { groupPlans: [{ group: 1, product: word('product') }] }],
    [
      'POST',
      '/ops/api/clients',
      { site: SITE, key: { text: `-----BEGIN PRIVATE KEY-----\n${secrets.plant('a private key')}\n-----END PRIVATE KEY-----` } },
    ],
    ['POST', '/ops/api/mode', { site: SITE, mode: word('mode') }],
  ] as const)
    await ops(api, method, path, body);
  await webhooks(api);
}

/** Maxio's own messages: signed ones about people, and ones that only pretend. */
async function webhooks({ url }: Living): Promise<void> {
  const form = `id=4711&event=customer_update&payload[site][subdomain]=acme&payload[customer][id]=1&payload[customer][first_name]=${people.plant('name in a webhook')}&payload[customer][email]=${people.plant('mail in a webhook')}@x.example`;
  for (const signature of [
    createHmac('sha256', planted.webhookKey).update(form).digest('hex'),
    'f'.repeat(64),
    planted.webhookKey,
  ])
    await ask('webhooks', `${url}/maxio/webhooks/${SITE}`, {
      method: 'POST',
      headers: { ...FORM, 'x-chargify-webhook-signature-hmac-sha-256': signature },
      body: form,
    });
}

beforeAll(async () => {
  life = await CanaryLife.open(planted);
  const { redis, maxio, hook, mailbox } = life.peers;
  const [api, worker] = await Promise.all([
    life.start('the api process', { ROLE: 'api' }),
    life.start('the worker', { ROLE: 'worker' }),
  ]);
  await Promise.all([life.ready(api), life.ready(worker)]);
  const ids = await goodDay(api);
  await until('everybody is at Maxio', () => settled(api), WAIT);
  await makeTokens(api);
  await badDay(api, ids[0] ?? '');
  await look(api, 'after a good and a bad day');

  // Maxio throws everything back: twice in every shape, at reads and at writes. Whoever changes anew is tried anew.
  maxio.echo(60);
  await scim(api, 'POST', '/Users', somebody('hal, while Maxio echoes'));
  let round = 0;
  await until(
    'every shape was answered',
    async () => {
      round += 1;
      const name = people.plant(`given name in round ${round} while Maxio echoes`);
      await scim(
        api,
        'PATCH',
        `/Users/${ids[round % ids.length]}`,
        patchOf({ op: 'replace', path: 'name.givenName', value: name }),
      );
      // As after a good answer: nobody wants to wait for minutes between two refusals of the key.
      await life.peers.commands.hdel(`scim:{${SITE}}:budget`, 'why', 'blockedUntil', 'probe', 'streak', 'failures');
      return maxio.echoes >= 28;
    },
    { timeoutMs: 180_000, everyMs: 250 },
  );
  await look(api, 'while Maxio echoes');
  for (const path of [
    '/ops/api/parked',
    '/ops/api/held',
    '/ops/api/drift',
    '/ops/api/audit',
    `/ops/api/people/${ids[0]}`,
    '/ops/api/plan',
  ])
    await ops(api, 'GET', path);
  maxio.echo(0);

  // Leavers whom the guard holds: that is told by every channel.
  for (const id of ids.slice(2, 5))
    await scim(api, 'PATCH', `/Users/${id}`, patchOf({ op: 'replace', path: 'active', value: false }));
  await until('somebody was told', () => hook.taken.length > 0 && mailbox.mails.length > 0, WAIT);
  await scim(api, 'DELETE', `/Users/${ids[5]}`);
  await ops(api, 'POST', '/ops/api/held', { site: SITE, decision: 'approve', all: true });

  const cli = { MAXIO_SCIM_URL: api.url, OPS_TOKEN: planted.operators.anna ?? '' };
  for (const args of [['doctor'], ['status'], ['token', 'list'], ['parked'], ['held']]) {
    const { out, err } = await startCli(args, cli).ended;
    life.keep('the command line', `${out}\n${err}`);
  }
  const { out, err } = await startCli(['status'], { ...cli, OPS_TOKEN: secrets.plant('a wrong token of the command line', 40) })
    .ended;
  life.keep('the command line', `${out}\n${err}`);

  // Another key in the file, which opens nothing.
  life.write('api-key', secrets.plant('another API key', 40));
  for (const { child } of [api, worker]) child.kill('SIGHUP');
  await until('the worker has tried the key', () => worker.printed().includes('key'), WAIT);
  life.write('api-key', planted.apiKey);

  // Redis goes away under way, and comes back.
  await redis.kill();
  for (const id of ids.slice(0, 2)) {
    await scim(
      api,
      'PATCH',
      `/Users/${id}`,
      patchOf({ op: 'replace', path: 'title', value: people.plant(`title for ${id} while Redis is away`) }),
    );
    await scim(
      api,
      'GET',
      `/Users?filter=${encodeURIComponent(`userName eq "${people.plant(`filter for ${id} while Redis is away`)}"`)}`,
    );
    await ops(api, 'GET', `/ops/api/people/${id}`);
  }
  await ops(api, 'POST', '/ops/api/tokens', { site: SITE, note: 'canary' });
  await look(api, 'while Redis is away');
  await redis.restart();
  await until('the api process is ready again', async () => (await fetch(`${api.url}/readyz`)).status === 200, WAIT);

  // What nobody expects: a rejection, an error that nobody catches, failures and sudden death in the middle.
  api.child.kill('SIGUSR1');
  worker.child.kill('SIGUSR2');
  await Promise.all([api.ended(), worker.ended()]);
  for (const failpoint of [
    'after_answer:throw',
    'before_send:throw',
    'after_commit:throw',
    'after_record:kill',
    'before_commit:kill',
  ] as const) {
    const doomed = await life.start(`a process that fails ${failpoint}`, { FAILPOINT: failpoint });
    await life.ready(doomed);
    const change = patchOf({ op: 'replace', path: 'name.familyName', value: people.plant(`family name at ${failpoint}`) });
    await scim(doomed, 'PATCH', `/Users/${ids[1]}`, change).catch(() => undefined);
    if (failpoint.endsWith('kill')) await doomed.ended();
    else {
      const [point] = failpoint.split(':');
      await until(`it has failed ${point}`, () => doomed.printed().includes(`failpoint ${point}`), WAIT);
      await until('it has settled', () => settled(doomed), WAIT);
    }
    if (!failpoint.endsWith('kill')) await look(doomed, failpoint);
    doomed.child.kill('SIGTERM');
    await doomed.ended();
  }

  // A configuration in which every secret is wrong in its own way.
  const refused = await life.start('a process that refuses its configuration', {
    SCIM_TOKEN: `${secrets.plant('a token with a blank')} x`,
    OPS_TOKEN: secrets.plant('a token that is too short', 8),
    MAXIO_API_KEY_FILE: '',
    MAXIO_API_KEY: `${secrets.plant('a key with a line break')}\nx`,
    REDIS_URL: `http://:${secrets.plant('a password in a wrong address')}@x`,
    NOTIFY_WEBHOOK_URL: `ftp://x.example/${secrets.plant('a path of a wrong address')}`,
    NOTIFY_SMTP_URL: `smpt://x:${secrets.plant('a password of a wrong server')}@x`,
    MAXIO_WEBHOOK_KEY: `${secrets.plant('a webhook key with a blank')} x`,
    OAUTH_SIGNING_KEY: secrets.plant('a signing key that is too short', 12),
  });
  await refused.ended();
  expect(refused.child.exitCode).toBe(78);
  for (const row of await life.redisContents()) seen.push({ when: 'at the end', ...row });
  life.keep('command lines of the processes', life.commandLines().join('\n'));
  life.keep('notices', JSON.stringify([hook.taken, mailbox.mails.map(({ raw, text, headers }) => ({ raw, text, headers }))]));
}, 600_000);
afterAll(() => life.close());

/** Everything that came out at a place. */
function outOf(place: RegExp): { where: string; text: string }[] {
  const found = [...life.out].filter(([where]) => place.test(where)).map(([where, texts]) => ({ where, text: texts.join('') }));
  expect(found.length, String(place)).toBeGreaterThan(0);
  return found;
}

describe('the life that is searched', () => {
  test('S13 had everything in it: echoes of every shape, notices, crashes, and words in Redis where they belong', () => {
    const printed = outOf(/^output/)
      .map(({ text }) => text)
      .join('');
    expect(life.peers.maxio.echoes).toBeGreaterThanOrEqual(28);
    expect(life.peers.hook.taken.map(({ topic }) => topic)).toContain('held');
    expect(life.peers.mailbox.mails.length).toBeGreaterThan(0);
    for (const sign of [
      'nobody expected this',
      '"level":"fatal"',
      'failpoint after_answer',
      'request failed',
      '"kind":"rejected"',
      '"kind":"ambiguous"',
      'is too short',
    ])
      expect(printed).toContain(sign);
    expect(
      people.foundIn(
        seen
          .filter(({ key }) => /:user:/.test(key))
          .map(({ value }) => value)
          .join(''),
      ).length,
    ).toBeGreaterThan(50);
    expect(people.names.length).toBeGreaterThan(150);
    expect(secrets.names.length).toBeGreaterThan(30);
  });

  test('S13 the search finds a word in every dress', () => {
    const own = new Canaries();
    const word = own.plant('it', 30);
    for (const text of [
      word,
      word.toUpperCase(),
      `x${Buffer.from(`${word}:x`).toString('base64')}`,
      Buffer.from(`u:${word}`).toString('base64'),
      Buffer.from(`us:${word}:`).toString('base64url'),
      Buffer.from(word).toString('hex'),
      [...word].toReversed().join(''),
      encodeURIComponent(`"${word}"`),
      JSON.stringify({ a: [`\n${word}`] }),
    ])
      expect([text, own.foundIn(`before ${text} after`)]).toEqual([text, [expect.stringContaining('it: …')]]);
    expect(own.foundIn('before after')).toEqual([]);
  });
});

describe('no secret', () => {
  test.each([
    ['what the processes print, crashes included', /^output/],
    ['/metrics', /^metrics$/],
    ['/health, /readyz and /livez', /^health$/],
    ['answers to the identity provider', /^SCIM/],
    ['answers to whoever has no right token', /^asked without/],
    ['answers to operators, errors included', /^ops/],
    ['answers to webhooks', /^webhooks$/],
    ['the command line', /^the command line$/],
    ['notices', /^notices$/],
    ['the command lines of the processes', /^command lines/],
  ])('S10 S13: is in %s', (_what, place) => {
    for (const { where, text } of outOf(place)) expect([where, secrets.foundIn(text)]).toEqual([where, []]);
  });

  test('S10 S2: is in Redis, job data included, neither as a key nor as a value', () => {
    expect(seen.length).toBeGreaterThan(100);
    // Jobs and the audit trail are among what is searched.
    for (const kind of [/bull|queue/i, /:audit$/, /:tokens$/, /:clients$/, /:notices$/])
      expect(
        seen.some(({ key }) => kind.test(key)),
        String(kind),
      ).toBe(true);
    const found = seen.flatMap(({ when, key, value }) =>
      secrets.foundIn(`${key} ${value}`).map((what) => `${when}, ${key}: ${what}`),
    );
    expect(found).toEqual([]);
  });

  test('S10 S23: is in a file that a process left behind; no dump and no report is there at all', () => {
    const files = life.leftovers().filter(({ name }) => name !== 'api-key');
    expect(
      files
        .map(({ name }) => name)
        .filter((name) => /core|report|heap|dump|\.cpuprofile|\.log$/i.test(name) || name.startsWith('work/')),
    ).toEqual([]);
    for (const { name, text } of files) expect([name, secrets.foundIn(text)]).toEqual([name, []]);
  });

  test('S9 S10: but the API key goes to Maxio, and that only where it belongs; nothing of a person but what is mapped', () => {
    const { sent } = life.peers.maxio;
    expect(sent.length).toBeGreaterThan(20);
    const texts = sent.map(({ path, body }) => `${path} ${body}`).join('\n');
    expect(secrets.foundIn(texts)).toEqual([]);
    const others = sent
      .map(({ headers }) => headers)
      .flatMap((headers) => secrets.foundIn(headers))
      .filter((what) => !/^(another )?API key:/.test(what));
    expect(others).toEqual([]);
    const unmapped = people
      .foundIn(texts)
      .filter((what) => /^(nickname|profile|photo|certificate|employee number|manager|badge|formatted name|title)\b/.test(what));
    expect(unmapped).toEqual([]);
  });
});

describe('nothing personal', () => {
  test.each([
    ['what the processes print, crashes included', /^output/],
    ['/metrics', /^metrics$/],
    ['/health, /readyz and /livez', /^health$/],
    ['notices', /^notices$/],
    ['the doctor and the status', /^doctor/],
    ['answers to webhooks', /^webhooks$/],
    ['the command lines of the processes', /^command lines/],
  ])('S13 S14: is in %s', (_what, place) => {
    for (const { where, text } of outOf(place)) expect([where, people.foundIn(text)]).toEqual([where, []]);
  });

  test('S8 S18: is in the name of a key, in job data, or anywhere in Redis but the directory and what is known of Maxio', () => {
    const names = seen.flatMap(({ key }) => people.foundIn(key));
    expect(names).toEqual([]);
    const allowed = /:(user:|group:|groupLabels$|index:|links$|linkReferences$|driftRows$|touchedNews$|references$)/;
    const found = seen
      .filter(({ key }) => !allowed.test(key))
      .flatMap(({ when, key, value }) => people.foundIn(value).map((what) => `${when}, ${key}: ${what}`));
    expect(found).toEqual([]);
  });
});
