/**
 * Somebody is told: from what is true in a real Redis, over a real webhook receiver and a real mail server, once each and with a recovery.
 * The clock is handed in, so that hours pass without waiting.
 */
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { DriftReports } from '../../src/directory/drift-report.ts';
import { SiteModes } from '../../src/directory/site-mode.ts';
import { createLogger } from '../../src/logger.ts';
import { openMail } from '../../src/notify/mail.ts';
import { newsOf } from '../../src/notify/news.ts';
import type { Notifier } from '../../src/notify/notifier.ts';
import type { SituationSources } from '../../src/notify/situation.ts';
import { openWebhook } from '../../src/notify/webhook.ts';
import { Secret } from '../../src/secret.ts';
import { Rounds } from '../../src/survey/rounds.ts';
import { type Hook, startHook } from '../support/hook.ts';
import { type Mailbox, startMailbox } from '../support/mailbox.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { arrive, leave, type NoticeSite, openNoticeSite, park } from './notify-bench.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const STRICT = { floor: 2, hourPercent: 0, dayPercent: 0, revenuePercent: 100, calmSeconds: 0 };
const HOOK_PATH = '/services/T000/B000/canary-path-77';

let server: TestRedis;
const open: { close(): Promise<void> }[] = [];
beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
});
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});
afterAll(() => server.stop());

function keep<T extends { close(): Promise<void> }>(each: T): T {
  open.unshift(each);
  return each;
}

interface Bench {
  site: NoticeSite;
  hook: Hook;
  mailbox: Mailbox;
  replicas: [Notifier, Notifier];
  /** Every replica looks, so many minutes after the start. */
  look(minutes: number, who?: Notifier[]): Promise<void>;
}

async function bench(options: { names?: boolean; key?: string } = {}): Promise<Bench> {
  const site = openNoticeSite(server, { guard: STRICT, ...(options.key === undefined ? {} : { key: options.key }) });
  const hook = keep(await startHook(HOOK_PATH));
  const mailbox = keep(await startMailbox());
  const replica = (): Notifier => {
    const webhook = keep(openWebhook(new Secret(hook.url), 2_000));
    const mail = keep(
      openMail({ url: new Secret(mailbox.url), from: 'Maxio SCIM <scim@example.com>', to: 'ops@example.com, boss@example.com' }),
    );
    return site.notifier([webhook, mail], options);
  };
  const replicas: [Notifier, Notifier] = [replica(), replica()];
  const startMs = await site.runs.nowMs();
  const signal = new AbortController().signal;
  const look = async (minutes: number, who: Notifier[] = replicas): Promise<void> => {
    await Promise.all(who.map((notifier) => notifier.turn({ nowMs: startMs + minutes * MINUTE, signal })));
  };
  return { site, hook, mailbox, replicas, look };
}

const statesOf = (hook: Hook): string[] => hook.taken.map(({ topic, state }) => `${topic} ${state}`);

it('F80 a tripped guard is told at once by every channel and by one of two replicas, reminded hourly, and told to be over', async () => {
  const { site, hook, mailbox, look } = await bench();
  const ids = await arrive(site, 'ann', 'ben', 'cem', 'dan', 'eve');
  await look(0);
  expect(hook.asked).toBe(0);
  await leave(site, ...ids.slice(0, 3));
  await look(1);
  expect(statesOf(hook)).toEqual(['held open']);
  expect(mailbox.mails).toHaveLength(1);
  expect(hook.taken[0]).toMatchObject({ service: 'maxio-scim', site: site.key, severity: 'page', test: true });
  for (const minute of [2, 30, 60]) await look(minute);
  expect(statesOf(hook)).toEqual(['held open']);
  await look(61);
  expect(statesOf(hook)).toEqual(['held open', 'held reminder']);
  const decider = { by: 'dana', requestId: 'r-1' };
  for (const id of ids.slice(0, 3)) expect(await site.holds.decide(id, 'reject', decider)).toBe('done');
  for (const minute of [62, 63.5, 65, 66]) await look(minute);
  expect(statesOf(hook)).toEqual(['held open', 'held reminder', 'held recovered']);
  expect(hook.taken[2]?.what).toMatch(/^Nobody is held any more.*It had been so since .* and lasted \d+ minutes\.$/);
  expect(mailbox.mails).toHaveLength(3);
  expect(await site.redis.hgetall(`${site.store.prefix}notices`)).toEqual({});
  expect(await site.told()).toMatchObject({ 'held open webhook taken': 1, 'held recovered mail taken': 1 });
});

it('a reminder after a day is worded more urgently', async () => {
  const { site, hook, look } = await bench();
  await leave(site, ...(await arrive(site, 'ann', 'ben', 'cem')));
  for (let hour = 0; hour <= 25; hour += 1) await look(hour * 60 + 1);
  const last = hook.taken.filter(({ topic }) => topic === 'held').at(-1);
  expect(last).toMatchObject({ state: 'reminder', what: expect.stringMatching(/^Nobody has decided for 25 hours\./) });
});

it('people who are parked are told after a minute, anew when they have doubled, and not for those who come back between', async () => {
  const { site, hook, look } = await bench();
  const ids = await arrive(site, 'ann', 'ben', 'cem', 'dan');
  await park(site, ids[0] ?? '', 'needs-email');
  await look(0.5);
  expect(hook.taken).toEqual([]);
  await look(2);
  await park(site, ids[1] ?? '');
  await look(3);
  await park(site, ids[2] ?? '');
  await look(4);
  expect(statesOf(hook)).toEqual(['parked open', 'parked update']);
  expect(hook.taken[1]?.what).toContain('1: has no e-mail address');
  for (const id of ids) await site.runs.retry(id, { kind: 'operator', what: 'retry' });
  await look(5);
  await park(site, ids[0] ?? '');
  await look(5.5);
  for (const id of ids) await site.runs.retry(id, { kind: 'operator', what: 'retry' });
  for (const minute of [6, 7.5, 9]) await look(minute);
  expect(statesOf(hook)).toEqual(['parked open', 'parked update', 'parked recovered']);
});

it('a channel that is down gets its message when it is back, once, and the other channel hears nothing twice', async () => {
  const { site, hook, mailbox, look } = await bench();
  await leave(site, ...(await arrive(site, 'ann', 'ben', 'cem')));
  hook.status = 500;
  for (const minute of [0, 0.5, 1, 2]) await look(minute);
  expect(hook.taken).toEqual([]);
  expect(mailbox.mails).toHaveLength(1);
  hook.status = 200;
  for (const minute of [4, 5, 6, 20]) await look(minute);
  expect(statesOf(hook)).toEqual(['held open']);
  expect(mailbox.mails).toHaveLength(1);
  const told = await site.told();
  expect(told['held open webhook failed']).toBe(hook.asked - 1);
  expect(hook.asked).toBeGreaterThan(2);
  expect(site.logLines.join('')).toContain('The webhook receiver answered 500');
});

it('mail that is refused comes later, and both channels down lose nothing, the end of the story included', async () => {
  const { site, hook, mailbox, look } = await bench();
  const ids = await arrive(site, 'ann', 'ben', 'cem');
  await leave(site, ...ids);
  hook.status = 503;
  mailbox.refuse = 451;
  for (const minute of [0, 1, 2]) await look(minute);
  for (const id of ids) await site.holds.decide(id, 'reject', { by: 'dana', requestId: 'r-1' });
  for (const minute of [5, 7, 9]) await look(minute);
  expect([hook.taken.length, mailbox.mails.length]).toEqual([0, 0]);
  hook.status = 200;
  mailbox.refuse = undefined;
  for (const minute of [40, 41, 42]) await look(minute);
  expect(statesOf(hook)).toEqual(['held recovered']);
  expect(mailbox.mails).toHaveLength(1);
});

it('a notifier that died while sending is followed by another after a minute, under the same message id', async () => {
  const { site, mailbox, replicas, look } = await bench();
  await leave(site, ...(await arrive(site, 'ann', 'ben', 'cem')));
  await look(0, [replicas[0]]);
  const key = `${site.store.prefix}notices`;
  const state = JSON.parse((await site.redis.hget(key, 'held')) ?? '{}') as { sinceMs: number; told: object };
  const nowMs = await site.runs.nowMs();
  // As the first one leaves it when it dies after the mail server has taken the message.
  await site.redis.hset(
    key,
    'held',
    JSON.stringify({ ...state, told: {}, sending: { by: 'the dead', untilMs: nowMs + MINUTE } }),
  );
  await look(0.5, [replicas[1]]);
  expect(mailbox.mails).toHaveLength(1);
  await look(3, [replicas[1]]);
  expect(mailbox.mails).toHaveLength(2);
  const [first, second] = mailbox.mails.map(({ headers }) => headers['message-id']);
  expect(second).toBe(first);
});

it('mail is plain, threaded by story, from and to whom it was said', async () => {
  const { site, mailbox, look } = await bench();
  const ids = await arrive(site, 'ann', 'ben', 'cem');
  await leave(site, ...ids);
  await look(0);
  await look(61);
  const [first, second] = mailbox.mails;
  expect(first).toMatchObject({ from: 'scim@example.com', to: ['ops@example.com', 'boss@example.com'] });
  expect(first?.headers.subject).toBe(`[maxio-scim ${site.key}] 3 leavers held (test site)`);
  expect(second?.headers.subject).toBe(`[maxio-scim ${site.key}] still: 3 leavers held (test site)`);
  expect(first?.headers).toMatchObject({ 'auto-submitted': 'auto-generated', 'x-maxio-scim-topic': 'held' });
  expect(first?.headers['in-reply-to']).toBeUndefined();
  expect(second?.headers['in-reply-to']).toBe(first?.headers['message-id']);
  expect(second?.headers['message-id']).not.toBe(first?.headers['message-id']);
  expect(first?.text).toContain('To do: Look: maxio-scim held');
  expect(first?.text).toContain('Step by step: docs/onboarding.md#8-the-wrong-group');
  expect(first?.text).toContain(`Affected: 3 people: ${ids.toSorted().join(', ')}.`);
});

it.each([false, true])('userNames are in messages only where that is wanted: NOTIFY_NAMES %s', async (names) => {
  const { site, hook, mailbox, look } = await bench({ names });
  await leave(site, ...(await arrive(site, 'ann', 'ben', 'cem')));
  await look(0);
  const all = JSON.stringify([hook.taken, mailbox.mails]);
  expect(all.includes('personann@example.com')).toBe(names);
  expect(await site.redis.hget(`${site.store.prefix}notices`, 'held')).not.toContain('example.com');
});

it('a userName can neither mention a channel, nor fake a link, nor add a header', async () => {
  const { site, hook, mailbox, look } = await bench({ names: true });
  const evil = '<!channel> <https://evil.example|a & b>\r\nBcc: evil@example.com\r\n\r\nBody';
  const ids = await arrive(site, 'ann', 'ben', 'cem');
  for (const id of ids) {
    const key = `${site.store.prefix}user:${id}`;
    const attrs = JSON.parse((await site.redis.hget(key, 'attrs')) ?? '{}') as object;
    // SCIM would refuse such a name; what is in Redis is not trusted either.
    await site.redis.hset(key, 'attrs', JSON.stringify({ ...attrs, userName: evil }));
  }
  for (const id of ids) await park(site, id, 'x<y>\r\nSubject: gone');
  await look(0);
  await look(2);
  const { text, who } = hook.taken[0] as { text: string; who: string };
  expect(text).toContain('&lt;!channel&gt; &lt;https://evil.example|a &amp; b&gt; Bcc: evil@example.com Body');
  expect(text).not.toMatch(/[<>]/);
  expect(text.split('\n')).toHaveLength(6);
  expect(who).not.toMatch(/[\r\n]/);
  expect(mailbox.mails[0]?.to).toEqual(['ops@example.com', 'boss@example.com']);
  expect(mailbox.mails[0]?.headers.bcc).toBeUndefined();
  expect(mailbox.mails[0]?.headers.subject).toContain('3 people parked');
});

it('a site key cannot add a header', async () => {
  const { site, mailbox, look } = await bench({ key: 'us.x\r\nBcc: evil@example.com' });
  await leave(site, ...(await arrive(site, 'ann', 'ben', 'cem')));
  await look(0);
  expect(mailbox.mails[0]?.headers.bcc).toBeUndefined();
  expect(mailbox.mails[0]?.headers.subject).toBe('[maxio-scim us.x Bcc: evil@example.com] 3 leavers held (test site)');
});

it('without a channel nothing is sent, and the list for the operator page is the same', async () => {
  const { site, hook, look, replicas } = await bench();
  const mute = site.notifier([]);
  const ids = await arrive(site, 'ann', 'ben', 'cem');
  expect(await mute.current()).toEqual([]);
  await leave(site, ...ids);
  await look(0, [mute]);
  expect(hook.asked).toBe(0);
  const [notice] = await mute.current();
  expect(notice).toMatchObject({ topic: 'held', severity: 'page', told: [], failing: [] });
  expect(Date.parse(notice?.since ?? '')).toBeLessThanOrEqual(await site.runs.nowMs());
  hook.status = 404;
  await look(1, [replicas[0]]);
  expect((await mute.current())[0]).toMatchObject({ told: ['mail'], failing: ['webhook'] });
});

it('leavers who wait too long are told with their age, those in their grace are not', async () => {
  const { site, hook, look } = await bench();
  const ids = await arrive(site, 'ann', 'ben');
  await leave(site, ...ids);
  const agoMs = (await site.runs.nowMs()) - 20 * MINUTE;
  for (const id of ids) await site.redis.zadd(`${site.store.prefix}urgent`, agoMs, id);
  const run = { outcome: 'postponed', reason: 'grace', attempts: 0, atMs: agoMs, nextAttemptAtMs: agoMs + 2 * HOUR };
  await site.redis.hset(`${site.store.prefix}user:${ids[0]}`, 'run', JSON.stringify(run));
  await look(0);
  expect(statesOf(hook)).toEqual(['leaver-waiting open']);
  expect(hook.taken[0]).toMatchObject({ severity: 'page', who: `1 person: ${ids[1]}.` });
  expect(hook.taken[0]?.what).toContain('the longest for 20 minutes');
  await look(101);
  expect(hook.taken.at(-1)).toMatchObject({ topic: 'leaver-waiting', who: expect.stringContaining('2 people') });
});

it('the budget is told when it has been short for ten minutes, with the moment that frees calls', async () => {
  const { site, hook, look } = await bench();
  for (let call = 0; call < 90; call += 1) {
    const grant = await site.budget.take({ lane: 'urgent' });
    if (grant.granted) await site.budget.release(grant.slot, 'answered');
  }
  await look(0);
  expect(hook.taken).toEqual([]);
  await look(11);
  expect(statesOf(hook)).toEqual(['budget open']);
  expect(hook.taken[0]?.what).toMatch(/90 of 100 calls .* stop counting in (59|60) minutes/);
});

it('a token near its end is told at 30, 14 and 3 days and when it is over', async () => {
  const day = 24 * 60;
  const startMs = await openNoticeSite(server).runs.nowMs();
  const site = openNoticeSite(server, { expires: new Date(startMs + 31 * day * MINUTE) });
  const hook = keep(await startHook());
  const notifier = site.notifier([keep(openWebhook(new Secret(hook.url)))]);
  const signal = new AbortController().signal;
  for (let days = 0; days <= 32; days += 1) await notifier.turn({ nowMs: startMs + days * day * MINUTE, signal });
  const news = hook.taken
    .filter(({ state }) => state !== 'reminder')
    .map(({ state, what }) => `${state}: ${String(what).slice(0, 35)}`);
  expect(news).toEqual([
    'open: The SCIM token expires in 29 days, ',
    'update: The SCIM token expires in 13 days, ',
    'update: The SCIM token expires in 2 days, a',
    `update: The SCIM token expired at ${new Date(startMs + 31 * day * MINUTE).toISOString().slice(0, 9)}`,
  ]);
});

it('nothing is read or sent again within a few seconds, and nothing after a stop', async () => {
  const { site, hook, replicas } = await bench();
  const startMs = await site.runs.nowMs();
  const { signal } = new AbortController();
  await replicas[0].turn({ nowMs: startMs, signal });
  await leave(site, ...(await arrive(site, 'ann', 'ben', 'cem')));
  await replicas[0].turn({ nowMs: startMs + 14_000, signal });
  expect(hook.asked).toBe(0);
  const stopped = AbortSignal.abort();
  await replicas[0].turn({ nowMs: startMs + 16_000, signal: stopped });
  expect(hook.asked).toBe(0);
  await replicas[0].turn({ nowMs: startMs + 32_000, signal });
  expect(statesOf(hook)).toEqual(['held open']);
});

it('no message and no log line holds a secret', async () => {
  const { site, hook, mailbox, look } = await bench();
  await leave(site, ...(await arrive(site, 'ann', 'ben', 'cem')));
  await look(0);
  hook.status = 410;
  mailbox.refuse = 550;
  await look(62);
  const all = JSON.stringify([hook.taken, mailbox.mails, site.logLines]);
  expect(site.logLines.length).toBeGreaterThan(2);
  for (const secret of ['canary-path-77', 'T000', server.url, 'ops@example.com'])
    expect(JSON.stringify(site.logLines)).not.toContain(secret);
  expect(all).not.toContain('canary-path-77');
});

it('a test message goes through every channel, and says of each what it answered', async () => {
  const { site, hook, mailbox, replicas } = await bench();
  hook.status = 404;
  const sent = await replicas[0].test('dana');
  expect(sent).toEqual([
    { channel: 'webhook', ok: false, detail: expect.stringContaining('answered 404') },
    { channel: 'mail', ok: true, detail: 'Taken.' },
  ]);
  expect(mailbox.mails[0]?.text).toContain('dana has asked for this message');
  expect(await site.notifier([]).test('dana')).toEqual([]);
  expect(await site.told()).toEqual({ 'test test webhook failed': 1, 'test test mail taken': 1 });
});

it('a survey that waits for a release, a configuration that waits for approval and open differences are told from what the site keeps', async () => {
  const site = openNoticeSite(server);
  const nowMs = await site.runs.nowMs();
  const survey = { state: 'done' as const, finishedAt: new Date(nowMs - HOUR).toISOString(), unreferenced: 7 };
  const state = { ...survey, phase: null, customers: 9, subscriptions: 9, calls: 4, progress: 1, startedAt: null, detail: '' };
  const hook = keep(await startHook());
  const sources = { ...site.sources, ...newsOf(site.store, { state: async () => state }) };
  const notifier = site.notifier([keep(openWebhook(new Secret(hook.url)))], { sources });
  await new SiteModes(site.redis, site.key).set('observe', { by: 'start' });
  const row = {
    kind: 'left-billed',
    userName: 'u',
    customerId: '1',
    subscriptionId: '2',
    detail: 'd',
    exempt: false,
    repair: 'possible' as const,
  };
  const reports = new DriftReports(site.store);
  const report = { beganMs: nowMs, atMs: nowMs, lastFull: false, nextMs: nowMs };
  await reports.replace(
    [
      { ...row, key: 'a', personId: 'p1', sinceMs: nowMs - 1 },
      { ...row, key: 'b', personId: 'p2', sinceMs: nowMs - 2, exempt: true },
      { ...row, key: 'c', personId: 'p3', sinceMs: nowMs - 3, repair: 'repaired' },
    ],
    report,
  );
  const candidate = {
    candidate: '{}',
    candidateBy: 'dana',
    candidateAtMs: nowMs,
    changes: JSON.stringify({ people: 40, examples: [] }),
  };
  await site.redis.hset(`${site.store.prefix}configuration`, {
    applied: '{"a":1}',
    appliedBy: 'start',
    appliedAtMs: 1,
    ...candidate,
  });
  const { signal } = new AbortController();
  await notifier.turn({ nowMs, signal });
  const told = Object.fromEntries(hook.taken.map(({ topic, what }) => [topic, what]));
  expect(told).toEqual({
    drift: expect.stringMatching(/1: has left and is billed\.$/),
    configuration: expect.stringContaining('by dana would change what happens to 40 people'),
    'survey-done': expect.stringContaining('7 customers there have no reference'),
  });
  const rows = [1, 2, 3].map((n) => ({ ...row, key: `k${n}`, personId: `p${n}`, sinceMs: nowMs + n }));
  await reports.replace(rows, { ...report, atMs: nowMs + 1 });
  // Not within the hour: where webhooks tell of every change, there would be no end of it.
  const before = hook.taken.length;
  await notifier.turn({ nowMs: nowMs + 20_000, signal });
  expect(hook.taken).toHaveLength(before);
  await notifier.turn({ nowMs: nowMs + 3_620_000, signal });
  expect(hook.taken.at(-1)).toMatchObject({ topic: 'drift', state: 'update', what: expect.stringContaining('3: has left') });
});

it('a source that fails keeps nobody from hearing of the others, ends no story, and is said once', async () => {
  const site = openNoticeSite(server, { guard: STRICT });
  const hook = keep(await startHook());
  let broken: string | undefined;
  const candidate = { atMs: 1, author: 'dana', people: 40 };
  const failing = async (): Promise<typeof candidate> => {
    if (broken !== undefined) throw new TypeError(broken);
    return candidate;
  };
  const sources: SituationSources = { ...site.sources, candidate: failing };
  const notifier = site.notifier([keep(openWebhook(new Secret(hook.url)))], { sources });
  const { signal } = new AbortController();
  const startMs = await site.runs.nowMs();
  const look = async (minutes: number) => await notifier.turn({ nowMs: startMs + minutes * MINUTE, signal });
  await look(0);
  expect(statesOf(hook)).toEqual(['configuration open']);

  broken = 'first';
  const [ann = ''] = await arrive(site, 'ann');
  await park(site, ann);
  for (const minute of [2, 3, 4, 5]) await look(minute);
  expect(statesOf(hook)).toEqual(['configuration open', 'parked open']);
  const said = () => site.logLines.map((line) => JSON.parse(line)).filter(({ part }) => part !== undefined);
  expect(said()).toMatchObject([{ level: 'warn', part: 'configuration' }]);
  expect(await notifier.current()).toMatchObject([{ topic: 'parked' }]);
  broken = 'second';
  await look(6);
  expect(said()).toHaveLength(2);

  broken = undefined;
  await look(7);
  await look(8);
  expect(said().at(-1)).toMatchObject({ level: 'info', part: 'configuration' });
  expect(said()).toHaveLength(3);
  expect(statesOf(hook)).toEqual(['configuration open', 'parked open']);
});

it('data that cannot be read silences its own subject only, and a record nobody but its name; Redis being away ends the look', async () => {
  const site = openNoticeSite(server, { guard: STRICT });
  const [ann = ''] = await arrive(site, 'ann');
  await park(site, ann);
  await site.redis.set(`${site.store.prefix}configuration`, 'not what it was');
  await site.redis.hset(site.store.userKey(ann), 'attrs', 'not JSON');
  const survey = { state: async () => ({ state: 'never', finishedAt: null, unreferenced: null }) as never };
  const { candidate } = newsOf(site.store, survey);
  const sources: SituationSources = { ...site.sources, candidate, contact: () => ({ kind: 'foreign', refusals: 0 }) };
  expect((await site.notifier([], { sources }).current()).map(({ topic }) => topic)).toEqual(['site-blocked', 'parked']);
  const away = { ...sources, candidate: async () => Promise.reject(new Error('Connection is closed.')) };
  await expect(site.notifier([], { sources: away }).current()).rejects.toThrow('Connection is closed');
});

it('a key that Maxio refuses is told by the rounds, although the site is not confirmed and no mode is known', async () => {
  const site = openNoticeSite(server);
  await site.redis.del(`${site.store.prefix}mode`);
  const hook = keep(await startHook());
  const sources: SituationSources = { ...site.sources, contact: () => ({ kind: 'unknown', refusals: 2 }) };
  const notifier = site.notifier([keep(openWebhook(new Secret(hook.url)))], { sources });
  const logger = createLogger({ level: 'silent' });
  const rounds = keep(new Rounds({ siteKey: site.key, redis: site.redis, chores: [notifier], confirmed: () => false, logger }));
  rounds.start();
  await vi.waitFor(() => expect(statesOf(hook)).toEqual(['key-refused open']), { timeout: 20_000 });
});
