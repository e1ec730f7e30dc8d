/** What people are told in which situation: each subject shown absent and present, with its urgency and its next step, and what never may be in a text. */
import { describe, expect, it } from 'vitest';
import { money } from '../../src/figures.ts';
import { conditionsOf } from '../../src/notify/conditions.ts';
import type { Situation } from '../../src/notify/situation.ts';
import type { Condition, Topic } from '../../src/notify/topics.ts';
import { plain, span } from '../../src/notify/words.ts';

const NOW = Date.UTC(2026, 10, 21, 12);
const MINUTE = 60_000;
const DAY = 86_400_000;
const WORDING = { names: false, opsUrl: 'https://scim.example.com/ops' };
const FREE = { limit: 10_000, used: 12, windowSeconds: 3_600, inFlight: 0, blockedForMs: 0, blockedStreak: 0 };
const HELD = {
  held: 0,
  exempt: 0,
  heldCents: 0,
  activePeople: 200,
  activeCents: 0,
  lossesHour: 0,
  lossesDay: 0,
  limitHour: 10,
  limitDay: 20,
};
const ANN = { id: '5f0c', userName: 'ann@example.com' };
const PAUSED = { mode: 'paused', before: 'enforce', by: 'dana', atMs: NOW, why: '', releasedAtMs: NOW - DAY } as const;

/** A quiet site, changed. */
function situation(change: Partial<Situation> = {}): Situation {
  return {
    site: 'us.acme',
    nowMs: NOW,
    test: false,
    mode: { mode: 'enforce', by: 'dana', atMs: NOW - DAY, why: '' },
    contact: { kind: 'confirmed', refusals: 0 },
    budget: FREE,
    pending: 0,
    parked: { total: 0, leavers: 0, reasons: [], oldestAtMs: NOW, some: [] },
    late: { total: 0, sinceMs: NOW, some: [] },
    held: { ...HELD, some: [] },
    guard: { floor: 5, hourPercent: 5, dayPercent: 10, revenuePercent: 10, calmSeconds: 5 },
    ...change,
  };
}

function tell(change: Partial<Situation>, names = false): Condition[] {
  return conditionsOf(situation(change), { ...WORDING, names });
}

function only(topic: Topic, change: Partial<Situation>): Condition {
  const all = tell(change);
  expect(all.map((each) => each.topic)).toEqual([topic]);
  return all[0] as Condition;
}

it('nothing is told of a quiet site', () => {
  expect(tell({})).toEqual([]);
  expect(tell({ drift: { newestMs: 0, kinds: { 'left-billed': 0 } }, tokenExpiresMs: NOW + 31 * DAY })).toEqual([]);
  expect(tell({ budget: { ...FREE, used: 8_999 }, redis: { durable: true, findings: [], memoryRatio: 0.75 } })).toEqual([]);
});

describe('people', () => {
  it('F80 who are held are told with limit, revenue, commands and the time since', () => {
    const held = { ...HELD, held: 12, heldCents: 1_234_550, trippedAtMs: NOW - 5 * MINUTE, why: 'hour', some: [ANN] };
    const told = only('held', { held });
    expect(told).toMatchObject({ severity: 'page', title: '12 leavers held', sinceMs: NOW - 5 * MINUTE, count: 12 });
    expect(told.what).toContain('more than 5 people and 5 %');
    expect(told.what).toContain('12,345.50 of monthly revenue');
    expect(told.who).toBe('12 people, among them 5f0c.');
    expect(told.todo).toContain('maxio-scim held --site us.acme');
    expect(told.todo).toContain('maxio-scim approve');
    expect(told.todo).toContain('maxio-scim reject');
    expect(only('held', { held: { ...held, why: 'day' } }).what).toContain('10 %');
    expect(only('held', { held: { ...held, why: 'revenue' } }).what).toContain('10 % of the managed revenue');
  });

  it('F80 who are held for more than a day are told in other words', () => {
    const held = { ...HELD, held: 12, trippedAtMs: NOW - 25 * 60 * MINUTE, why: 'hour', some: [] };
    const told = only('held', { held });
    expect(told.title).toBe('12 leavers held, undecided for 25 hours');
    expect(told.what).toMatch(/^Nobody has decided for 25 hours\./);
  });

  it.each<[string, Partial<Situation>, string]>([
    ['the pause and who ordered it', { mode: PAUSED }, 'The site was paused by dana'],
    ['the key', { budget: { ...FREE, blockedWhy: 'unauthorized', blockedStreak: 1 } }, 'Maxio refuses the API key'],
    ['an outage', { budget: { ...FREE, blockedWhy: 'failing', blockedStreak: 1 } }, 'Maxio does not answer'],
    ['too many calls', { budget: { ...FREE, blockedWhy: 'throttled', blockedStreak: 1 } }, 'asked us to slow down'],
    ['the budget', { budget: { ...FREE, used: 9_996 } }, 'The call budget is spent'],
    ['nothing known', { pending: 1 }, 'No pause of the site explains it; 1 change waits in all'],
  ])('who leave late are told with the cause: %s', (_cause, change, words) => {
    const all = tell({ ...change, late: { total: 2, sinceMs: NOW - 9 * MINUTE, some: [ANN] } });
    const told = all.find(({ topic }) => topic === 'leaver-waiting');
    expect(told).toMatchObject({ severity: 'page', title: '2 leavers still billed', count: 2 });
    expect(told?.what).toContain('2 people who have left are still billed, the longest for 9 minutes');
    expect(told?.what).toContain(words);
  });

  it('who leave late while the site is paused are no reason to set a mode: it goes back to what the pause has ended', () => {
    const told = only('leaver-waiting', { mode: PAUSED, late: { total: 2, sinceMs: NOW - 9 * MINUTE, some: [] } });
    expect(told.todo).toContain('maxio-scim resume --site us.acme');
    expect(told.todo).not.toContain('enforce');
  });

  it.each<[string, Situation['mode']]>([
    ['observe', { mode: 'observe', by: 'start', atMs: NOW, why: '' }],
    ['a pause of a released site that observed', { ...PAUSED, before: 'observe' }],
    ['a pause of a site that nobody has released', { mode: 'paused', before: 'observe', by: 'dana', atMs: NOW, why: '' }],
    ['a site that was paused from the start', { mode: 'paused', by: 'start', atMs: NOW, why: '' }],
  ])('who leave are not late where nothing is written on purpose: %s', (_mode, mode) => {
    expect(tell({ mode, late: { total: 2, sinceMs: NOW - 9 * MINUTE, some: [] } })).toEqual([]);
  });

  it('who are parked are told with the top reasons, leavers first', () => {
    const parked = {
      total: 9,
      leavers: 0,
      reasons: [
        ['link-approval', 5],
        ['refused-by-maxio', 2],
        ['needs-email', 1],
        ['other', 1],
      ] as [string, number][],
      oldestAtMs: NOW - DAY,
      some: [ANN],
    };
    const told = only('parked', { parked });
    expect(told).toMatchObject({ severity: 'warn', title: '9 people parked', mark: 0 });
    expect(told.what).toContain('5: may already be a customer');
    expect(told.what).toContain('1: other reasons');
    const pressing = only('parked', { parked: { ...parked, leavers: 1 } });
    expect(pressing).toMatchObject({ severity: 'page', title: '9 people parked, 1 leaver among them', mark: 1 });
    expect(pressing.what).toContain('1 of them has left and is still billed');
  });

  it('are named only where that is wanted, five at most, and cannot break a line', () => {
    const some = [
      { id: 'id-1', userName: 'eve\r\nBcc: all@example.com' },
      ...Array.from({ length: 7 }, (_, n) => ({ id: `i${n}`, userName: `u${n}` })),
    ];
    const parked = { total: 8, leavers: 0, reasons: [], oldestAtMs: NOW, some };
    expect(tell({ parked })[0]?.who).toBe('8 people, among them id-1, i0, i1, i2, i3.');
    expect(tell({ parked }, true)[0]?.who).toBe('8 people, among them eve Bcc: all@example.com, u0, u1, u2, u3.');
  });

  it('who differ at Maxio are told by kind, the most frequent first', () => {
    const told = only('drift', {
      drift: { newestMs: NOW - MINUTE, kinds: { 'fields-differ': 1, 'left-billed': 3, 'reference-changed': 0 } },
    });
    expect(told).toMatchObject({ title: '4 differences between the directory and Maxio', count: 4, mark: NOW - MINUTE });
    expect(told.what).toMatch(/3: has left and is billed; 1: has other fields at Maxio\.$/);
    expect(told.todo).toContain('maxio-scim drift repair');
    const waiting = only('drift', { drift: { newestMs: NOW, kinds: { unclaimed: 2 } } });
    expect(waiting.what).toMatch(/2: recreated from Maxio, billed, and not sent by the identity provider since/);
    expect(waiting.todo).toContain('start a full sync');
    expect(waiting.todo).not.toContain('drift repair');
  });
});

describe('Maxio', () => {
  it('refusing the key is told from the second refusal in a row on', () => {
    expect(tell({ budget: { ...FREE, blockedWhy: 'unauthorized', blockedStreak: 1 } })).toEqual([]);
    expect(tell({ contact: { kind: 'confirmed', refusals: 1 } })).toEqual([]);
    const told = only('key-refused', { pending: 3, budget: { ...FREE, blockedWhy: 'unauthorized', blockedStreak: 2 } });
    expect(told).toMatchObject({ severity: 'page', who: '3 people wait.' });
    expect(told.todo).toContain('MAXIO_API_KEY');
    expect(only('key-refused', { contact: { kind: 'unknown', refusals: 2 } }).severity).toBe('page');
  });

  it('being another site is told', () => {
    expect(only('site-blocked', { contact: { kind: 'foreign', refusals: 0 } })).toMatchObject({ severity: 'page' });
  });

  it('being away is told where somebody waits or it is being tried, and pages when leavers wait', () => {
    const away = { ...FREE, blockedWhy: 'failing' as const, blockedStreak: 3 };
    expect(tell({ budget: away })).toEqual([]);
    expect(only('failing', { budget: away, pending: 4 })).toMatchObject({ severity: 'warn', title: 'Maxio does not answer' });
    expect(only('failing', { budget: { ...away, blockedForMs: 1_000 } }).who).toBe('Nobody waits at the moment.');
    expect(only('failing', { contact: { kind: 'unknown', refusals: 0 } }).title).toBe('Maxio does not answer');
    const late = tell({ budget: away, pending: 4, late: { total: 1, sinceMs: NOW - 9 * MINUTE, some: [] } });
    expect(late.map(({ topic, severity }) => `${topic} ${severity}`)).toEqual(['leaver-waiting page', 'failing page']);
    expect(only('failing', { budget: { ...away, blockedWhy: 'throttled' }, pending: 1 }).title).toBe(
      'Maxio asks us to slow down',
    );
  });

  it('the budget is told at nine tenths and again when it is spent, with the moment that frees calls', () => {
    const nearly = only('budget', { budget: { ...FREE, used: 9_000, nextCallMs: 7 * MINUTE } });
    expect(nearly).toMatchObject({ title: 'The call budget is nearly spent', mark: 0 });
    expect(nearly.what).toContain('9,000 of 10,000 calls of the last 60 minutes are used');
    expect(nearly.what).toContain('stop counting in 7 minutes');
    expect(only('budget', { budget: { ...FREE, used: 9_996 } })).toMatchObject({ title: 'The call budget is spent', mark: 1 });
  });
});

describe('the service', () => {
  it.each([
    [29.5, 'warn', 1, 'in 29 days'],
    [13.5, 'warn', 2, 'in 13 days'],
    [2.5, 'page', 3, 'in 2 days'],
    [0.5, 'page', 3, 'within a day'],
  ])('the token %d days before its end: %s', (days, severity, mark, words) => {
    const told = only('token-expiry', { tokenExpiresMs: NOW + days * DAY });
    expect(told).toMatchObject({ severity, mark, title: `The SCIM token expires ${words}` });
  });

  it('F85 a right token from a network that is not allowed', () => {
    const strangers = {
      firstMs: NOW - 5 * MINUTE,
      lastMs: NOW - MINUTE,
      times: 7,
      address: '198.51.100.66',
      actor: 'scim-token:abcdefgh2345',
    };
    const told = only('other-network', { strangers });
    expect(told).toMatchObject({ severity: 'page', sinceMs: NOW - 5 * MINUTE });
    expect(told.what).toMatch(/7 requests .* from 198\.51\.100\.66 with scim-token:abcdefgh2345\. All of them were refused/);
    expect(told.todo).toMatch(/SCIM_ALLOW_FROM.*TRUSTED_PROXIES.*leaked: maxio-scim token list --site us\.acme/);
  });

  it.each([
    [
      'oauth:smc_aaaaaaaaaaaa',
      /client list --site us\.acme.*client add-secret smc_aaaaaaaaaaaa .*client revoke-secret smc_aaaaaaaaaaaa /,
      /token (list|create)/,
    ],
    ['scim-token:0a1b2c3d', /SCIM_TOKEN_FILE.*token create --site us\.acme.*unset SCIM_TOKEN/, /token list|client/],
    ['scim-token:abcdefgh2345', /token list --site us\.acme/, /client|SCIM_TOKEN\b/],
  ])('F85 what to do about %s in other hands is what changes that kind', (actor, cure, not) => {
    const strangers = { firstMs: NOW - MINUTE, lastMs: NOW - MINUTE, times: 1, address: '198.51.100.66', actor };
    const told = only('other-network', { strangers });
    const [, cured = ''] = told.todo.split('If not, ');
    expect(cured).toMatch(cure);
    expect(cured).not.toMatch(not);
    expect(cured).toMatch(/[.]$/);
  });

  it('what an OAuth client signs in with, before and after its end', () => {
    const client = { client: 'smc_aaaaaaaaaaaa', id: 'bbbbbbbbbbbb', kind: 'secret' as const, expiresMs: NOW + 2.5 * DAY };
    expect(tell({ client: { ...client, expiresMs: NOW + 31 * DAY } })).toEqual([]);
    const told = only('client-expiry', { client });
    expect(told).toMatchObject({ severity: 'page', mark: 3, title: 'What an OAuth client signs in with expires in 2 days' });
    expect(told.todo).toContain('maxio-scim client add-secret smc_aaaaaaaaaaaa --site us.acme');
    const over = only('client-expiry', { client: { ...client, expiresMs: NOW - MINUTE } });
    expect(over).toMatchObject({ severity: 'page', mark: 4, title: 'What an OAuth client signs in with has expired' });
    for (const text of [told.what, told.todo, over.what]) expect(text).toMatch(/[.]$/);
  });

  it('the token after its end', () => {
    const told = only('token-expiry', { tokenExpiresMs: NOW - MINUTE });
    expect(told).toMatchObject({ severity: 'page', mark: 4, title: 'The SCIM token has expired' });
    expect(told.todo).toContain('SCIM_TOKEN_EXPIRES');
  });

  it('rules for groups that name what Maxio does not sell', () => {
    expect(tell({ groupPlans: { problems: [] } })).toEqual([]);
    const told = only('group-plans', { groupPlans: { problems: ['Maxio has no product gold.'] } });
    expect(told).toMatchObject({ severity: 'warn', what: expect.stringContaining('Maxio has no product gold.') });
    expect(told.todo).toContain('maxio-scim group-plans');
  });

  it('a configuration that waits, with its author and how many it changes', () => {
    const told = only('configuration', { candidate: { atMs: NOW, author: 'dana', people: 40 } });
    expect(told.what).toContain('by dana would change what happens to 40 people');
    expect(told.todo).toContain('maxio-scim config approve');
  });

  it('a site that waits for its release, until it is released', () => {
    const survey = { finishedAtMs: NOW - DAY, unreferenced: 31 };
    expect(tell({ survey })).toEqual([]);
    const mode = { mode: 'observe' as const, by: 'start', atMs: NOW, why: '' };
    expect(only('survey-done', { survey, mode }).todo).toContain('maxio-scim link plan');
    expect(only('survey-done', { survey: { ...survey, unreferenced: 0 }, mode }).todo).toContain('maxio-scim release');
  });

  it('Redis that may forget, or is nearly full', () => {
    const forgetful = only('redis', { redis: { durable: false, findings: ['Redis has appendonly no.'], memoryRatio: 0 } });
    expect(forgetful).toMatchObject({ severity: 'page' });
    expect(forgetful.what).toContain('Redis has appendonly no.');
    expect(only('redis', { redis: { durable: true, findings: [], memoryRatio: 0.8 } })).toMatchObject({
      severity: 'warn',
      title: 'Redis is 80 % full',
    });
  });
});

it('the most pressing comes first', () => {
  const all = tell({
    survey: { finishedAtMs: NOW, unreferenced: 1 },
    mode: { mode: 'observe', by: 'start', atMs: NOW, why: '' },
    budget: { ...FREE, used: 9_500 },
    contact: { kind: 'foreign', refusals: 0 },
    held: { ...HELD, held: 1, some: [] },
  });
  expect(all.map(({ topic }) => topic)).toEqual(['held', 'site-blocked', 'budget', 'survey-done']);
});

it('every text is whole sentences without a line break', () => {
  const all = tell({
    held: { ...HELD, held: 1, heldCents: 5, why: 'hour', trippedAtMs: NOW, some: [ANN] },
    late: { total: 1, sinceMs: NOW - 9 * MINUTE, some: [ANN] },
    parked: { total: 1, leavers: 1, reasons: [['needs-email', 1]], oldestAtMs: NOW, some: [ANN] },
    contact: { kind: 'foreign', refusals: 2 },
    budget: { ...FREE, used: 9_999, blockedWhy: 'throttled', nextCallMs: 1 },
    pending: 3,
    tokenExpiresMs: NOW,
    candidate: { atMs: NOW, author: 'da\nna', people: 1 },
    drift: { newestMs: NOW, kinds: { 'left-billed': 1 } },
    redis: { durable: false, findings: ['Bad.\r\nBad.'], memoryRatio: 0.9 },
  });
  expect(all).toHaveLength(11);
  for (const { what, who, todo } of all) {
    for (const text of [what, who, todo]) {
      expect(text).toMatch(/[.]$/);
      expect(text).not.toMatch(/[\r\n]|undefined|NaN| {2}/);
    }
  }
});

it('words', () => {
  expect(plain('a\u0000\r\nb\u2028c\u202e\td')).toBe('a b c d');
  expect([span(1_000), span(119_000), span(7_000_000), span(100 * 3_600_000)]).toEqual([
    '1 second',
    '119 seconds',
    '117 minutes',
    '4 days',
  ]);
  expect(money(123_456_789)).toBe('1,234,567.89');
});
