/**
 * The link plan, the links and the release, against a real Redis and the sandbox: what is proposed, what is refused, one call for each link and no more,
 * and that a kill or a lost answer changes nothing about that.
 */
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Budget } from '../../src/maxio/budget.ts';
import { Caller } from '../../src/provisioning/caller.ts';
import { type ReconcileParts, reconcile } from '../../src/provisioning/reconcile.ts';
import type { LinkDecision } from '../../src/survey/links.ts';
import { ReleaseRefused } from '../../src/survey/release.ts';
import { createTelemetry } from '../../src/telemetry.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { type SandboxApi, startSandbox } from '../support/sandbox-api.ts';
import { auditOf, changeOf } from './directory-bench.ts';
import { openBench, type SurveyBench } from './survey-bench.ts';

const SET_REFERENCE = 'PUT /customers/{id}.json';
const ORDER = { by: 'alice', requestId: 'r1' };

let server: TestRedis;
let maxio: SandboxApi;
let bench: SurveyBench;
beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
});
afterAll(() => server.stop());
beforeEach(async () => {
  maxio = await startSandbox();
  bench = await openBench(server, maxio);
});
afterEach(() => maxio.sandbox.close());

type Customers = Exclude<Parameters<SandboxApi['sandbox']['state']['seed']>[0]['customers'], number>;

/** Customers at Maxio before we came, people in the directory, and the survey done. @returns ids of the customers, in the given order */
async function given(customers: Customers, people: number[] = []): Promise<string[]> {
  const planted = maxio.sandbox.state.seed({ customers });
  for (const n of people) expect(await bench.site.store.commit(changeOf(n))).toMatchObject({ kind: 'ok' });
  await bench.survey.want({ by: 'test' });
  await bench.drive(bench.survey);
  await bench.modes.set('observe', { by: 'start' });
  bench.calls();
  return planted.customers.map(({ id }) => String(id));
}

const mail = (n: number) => `person${n}@example.com`;
const twin = (n: number, change: Customers[number] = {}): Customers[number] => ({ reference: null, email: mail(n), ...change });
const live = { subscriptions: [{ product_handle: 'pro' }] };
const link = (customerId: string, reference: string): LinkDecision => ({ customerId, decision: 'link', reference });
const separate = (customerId: string, reference: string): LinkDecision => ({ customerId, decision: 'separate', reference });
const referenceOf = (id: string) => maxio.sandbox.state.customers().find((customer) => String(customer.id) === id)?.reference;
const subjectOf = async (id: string) =>
  (await bench.site.redis.hget(bench.site.store.userKey(id), 'subject')) ?? expect.fail('a subject');
const byId = async () => new Map((await bench.links.plan()).map((row) => [row.customerId, row]));

describe('the link plan', () => {
  it('tells unique, several, none and conflicting matches apart, most revenue first', async () => {
    const ids = await given(
      [
        twin(1),
        twin(2, live),
        twin(2),
        { reference: null, email: 'stranger@example.com' },
        twin(3, { reference: 'crm-3' }),
        { reference: 'crm-9', email: 'other@example.com' },
        { reference: 'ref-4', email: mail(4) },
      ],
      [1, 2, 3, 4],
    );
    const rows = await byId();
    const [one, two, twoAgain, stranger, conflict, foreign, ours] = ids as [
      string,
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    expect(rows.get(one)).toMatchObject({
      match: 'unique',
      personId: 'id-1',
      userName: mail(1),
      proposedReference: 'ref-1',
      state: 'open',
      subscriptions: 0,
    });
    expect(rows.get(two)).toMatchObject({ match: 'several', proposedReference: 'ref-2', subscriptions: 1 });
    expect(rows.get(twoAgain)).toMatchObject({ match: 'several', subscriptions: 0, monthlyCents: 0 });
    expect(rows.get(stranger)).toMatchObject({ match: 'none', personId: null, proposedReference: null });
    expect(rows.get(conflict)).toMatchObject({ match: 'conflict', reference: 'crm-3', proposedReference: 'ref-3' });
    expect(rows.has(foreign)).toBe(false);
    expect(rows.has(ours)).toBe(false);
    const list = await bench.links.plan();
    expect(list[0]?.customerId).toBe(two);
    expect(list[0]?.monthlyCents).toBeGreaterThan(0);
    expect(bench.calls()).toEqual([]);
  });

  it('proposes nobody where two people have the address, and counts someone who has a customer already as several', async () => {
    const ids = await given([twin(1), { reference: null, email: 'b@example.com' }], [1, 2]);
    const [shared, second] = ids as [string, string];
    const attributes = { userName: 'boss@example.com', active: true, emails: [{ value: mail(1) }, { value: 'b@example.com' }] };
    expect(await bench.site.store.commit(changeOf('boss', { attributes }))).toMatchObject({ kind: 'ok' });
    const customerLink = { customerId: '999', origin: 'created', confirmed: {}, subscriptions: [] };
    await bench.site.redis.hset(bench.site.store.userKey('id-boss'), 'link', JSON.stringify(customerLink));
    const rows = await byId();
    expect(rows.get(shared)).toMatchObject({ match: 'several', personId: null, proposedReference: null });
    expect(rows.get(second)).toMatchObject({ match: 'several', personId: 'id-boss', proposedReference: null });
  });

  it('finds people by userName in other letters, and shows what was decided', async () => {
    const ids = await given([twin(1, { email: 'PERSON1@Example.COM' }), twin(2), twin(3)], [1, 2, 3]);
    const [one, two, three] = ids as [string, string, string];
    await bench.links.accept([link(one, 'ref-1'), separate(two, 'ref-2'), link(three, 'ref-3')], ORDER);
    await bench.drive(bench.links);
    const rows = await byId();
    expect(rows.get(one)).toMatchObject({ match: 'unique', state: 'applied', reference: 'ref-1' });
    expect(rows.get(two)).toMatchObject({ match: 'unique', state: 'separate', reference: null });
  });
});

describe('decisions', () => {
  it('are stored once: the same again is already decided', async () => {
    const ids = await given([twin(1), twin(2)], [1, 2]);
    const rows = [link(ids[0] ?? '', 'ref-1'), separate(ids[1] ?? '', 'ref-2')];
    expect(await bench.links.accept(rows, ORDER)).toEqual({ accepted: 2, already: 0, refused: [] });
    expect(await bench.links.accept(rows, ORDER)).toEqual({ accepted: 0, already: 2, refused: [] });
    const told = (await auditOf(bench.site)).map(({ subject = '', entry = '{}' }) => ({
      subject,
      ...(JSON.parse(entry) as { what: string; actor?: string; customer?: string }),
    }));
    expect(told.filter(({ what }) => what === 'approve-link')).toMatchObject([
      { subject: await subjectOf('id-1'), actor: 'alice', customer: ids[0], requestId: 'r1' },
    ]);
    expect(told.filter(({ what }) => what === 'separate')).toMatchObject([
      { subject: await subjectOf('id-2'), actor: 'alice', customer: ids[1] },
    ]);
  });

  it('may name people who are not there yet', async () => {
    const [id = ''] = await given([twin(1)]);
    expect(await bench.links.accept([link(id, '00u-future')], ORDER)).toMatchObject({ accepted: 1 });
    await bench.drive(bench.links);
    expect(referenceOf(id)).toBe('00u-future');
  });

  it.each<{ what: string; rows: (ids: string[]) => LinkDecision[]; says: RegExp }>([
    { what: 'an unknown customer', rows: () => [link('424242', 'ref-1')], says: /knows no such customer/ },
    { what: 'an empty reference', rows: ([a = '']) => [link(a, '')], says: /reference is empty/ },
    { what: 'what is no reference', rows: ([a = '']) => [link(a, 'ann+1@example.com')], says: /write ann~2b1@example\.com/ },
    { what: 'a reference of another customer', rows: ([a = '']) => [link(a, 'crm-2')], says: /belongs to another customer/ },
    {
      what: 'one reference for two customers',
      rows: ([a = '', , c = '']) => [link(a, 'ref-1'), link(c, 'ref-1')],
      says: /different customers/,
    },
    {
      what: 'two references for one customer',
      rows: ([a = '']) => [link(a, 'ref-1'), link(a, 'ref-9')],
      says: /different references/,
    },
    { what: 'a customer who is somebody', rows: ([, , , d = '']) => [link(d, 'ref-1')], says: /already belongs to somebody/ },
  ])('are refused with a reason: $what', async ({ rows, says }) => {
    const ids = await given(
      [twin(1), { reference: 'crm-2', email: 'x@example.com' }, twin(3), { reference: 'ref-5', email: mail(5) }],
      [1, 5],
    );
    const wanted = rows(ids);
    const answer = await bench.links.accept(wanted, ORDER);
    expect(answer.accepted).toBe(0);
    expect(answer.refused).toHaveLength(wanted.length);
    for (const { detail } of answer.refused) expect(detail).toMatch(says);
    expect(await bench.links.progress()).toMatchObject({ wanted: 0, left: 0 });
  });

  it('may be changed until they are carried out, and not after', async () => {
    const [id = '', other = ''] = await given([twin(1), twin(2)], [1, 2]);
    await bench.links.accept([link(id, 'ref-1')], ORDER);
    expect(await bench.links.accept([link(other, 'ref-1')], ORDER)).toMatchObject({
      accepted: 0,
      refused: [{ customerId: other }],
    });
    expect(await bench.links.accept([link(id, 'ref-9')], ORDER)).toMatchObject({ accepted: 1 });
    expect(await bench.links.accept([link(other, 'ref-1')], ORDER)).toMatchObject({ accepted: 1 });
    expect(await bench.links.accept([separate(other, 'ref-1')], ORDER)).toMatchObject({ accepted: 1 });
    await bench.drive(bench.links);
    expect([referenceOf(id), referenceOf(other)]).toEqual(['ref-9', null]);
    const late = await bench.links.accept([link(id, 'ref-1'), separate(id, 'ref-9')], ORDER);
    expect(late).toMatchObject({ accepted: 0, refused: [{ customerId: id }, { customerId: id }] });
  });
});

describe('carrying out', () => {
  it('costs one call for each link, whatever is repeated, and the index knows at once', async () => {
    const ids = await given([twin(1), twin(2), twin(3), twin(4), twin(5)], [1, 2, 3, 4, 5]);
    const rows = ids.map((id, i) => link(id, `ref-${i + 1}`));
    await bench.links.accept(rows, ORDER);
    expect(await bench.links.progress()).toMatchObject({ wanted: 5, applied: 0, failed: 0, left: 5 });
    await bench.drive(bench.links);
    await bench.links.accept(rows, ORDER);
    await bench.drive(bench.links);
    expect(bench.calls()).toEqual(Array(5).fill(SET_REFERENCE));
    expect(ids.map(referenceOf)).toEqual(['ref-1', 'ref-2', 'ref-3', 'ref-4', 'ref-5']);
    expect(await bench.links.progress()).toEqual({ wanted: 5, applied: 5, failed: 0, left: 0, failures: [] });
    expect((await bench.index.counts()).unreferenced).toBe(0);
    expect(await bench.index.byReference('ref-3')).toMatchObject({ id: ids[2] });
  });

  it('changes nothing but the reference', async () => {
    const [id = ''] = await given([twin(1, { first_name: 'Ann', organization: 'Acme', phone: '1' })], [1]);
    const before = maxio.sandbox.state.customers().find((each) => String(each.id) === id);
    await bench.links.accept([link(id, 'ref-1')], ORDER);
    await bench.drive(bench.links);
    const after = maxio.sandbox.state.customers().find((each) => String(each.id) === id);
    expect({ ...after, updated_at: '' }).toEqual({ ...before, reference: 'ref-1', updated_at: '' });
  });

  it('that Maxio refuses as taken is a failure with words, and can be approved again', async () => {
    const [id = ''] = await given([twin(1)], [1]);
    const thief = await maxio.customer({ reference: 'ref-1', email: 'thief@example.com' });
    await bench.links.accept([link(id, 'ref-1')], ORDER);
    await bench.drive(bench.links);
    const { failures, ...numbers } = await bench.links.progress();
    expect(numbers).toEqual({ wanted: 1, applied: 0, failed: 1, left: 0 });
    expect(failures).toMatchObject([
      { customerId: id, reference: 'ref-1', detail: expect.stringMatching(/another customer has this reference/) },
    ]);
    await bench.drive(bench.links);
    expect(bench.calls().filter((call) => call === SET_REFERENCE)).toHaveLength(1);
    maxio.sandbox.state.editCustomer(thief.id, { reference: 'moved' });
    expect(await bench.links.accept([link(id, 'ref-1')], ORDER)).toMatchObject({ accepted: 1 });
    await bench.drive(bench.links);
    expect(referenceOf(id)).toBe('ref-1');
    expect(await bench.links.progress()).toMatchObject({ applied: 1, failed: 0, failures: [] });
  });

  it('of a customer who is gone is a failure, and the index forgets the customer', async () => {
    const [id = ''] = await given([twin(1)], [1]);
    maxio.sandbox.state.staff({ do: 'delete-customer', id: Number(id) });
    await bench.links.accept([link(id, 'ref-1')], ORDER);
    await bench.drive(bench.links);
    expect((await bench.links.progress()).failures).toMatchObject([{ detail: expect.stringMatching(/no longer knows/) }]);
    expect(await bench.index.customer(id)).toBeUndefined();
  });

  it('whose answer is lost is sent again until there is one, and keeps nobody else waiting', async () => {
    const ids = await given([twin(1), twin(2), twin(3), twin(4), twin(5)], [1, 2, 3, 4, 5]);
    const lost = `/customers/${ids[0]}.json`;
    maxio.sandbox.state.setFault({ match: { method: 'PUT', path: lost }, kind: 'commit-then-drop', times: 1 });
    await bench.links.accept(
      ids.map((id, i) => link(id, `ref-${i + 1}`)),
      ORDER,
    );
    await expect(bench.turn(bench.links)).rejects.toMatchObject({ kind: 'ambiguous' });
    // Until Maxio has answered, nobody can decide otherwise.
    expect(await bench.links.accept([separate(ids[0] ?? '', 'ref-1')], ORDER)).toMatchObject({ accepted: 0, refused: [{}] });
    await bench.drive(bench.links);
    expect(await bench.links.progress()).toMatchObject({ applied: 4, left: 1 });
    await bench.site.redis.zadd(`${bench.site.store.prefix}linkQueue`, 'XX', 0, ids[0] ?? '');
    await bench.drive(bench.links);
    expect(await bench.links.progress()).toMatchObject({ applied: 5, left: 0 });
    expect(bench.calls()).toHaveLength(6);
  });

  it('is refused by a pause at the moment the call would leave', async () => {
    const [id = ''] = await given([twin(1)], [1]);
    await bench.links.accept([link(id, 'ref-1')], ORDER);
    const turn = { nowMs: await bench.site.runs.nowMs(), mode: 'observe' as const, signal: new AbortController().signal };
    await bench.modes.set('paused', { by: 'bob' });
    await expect(bench.links.turn(turn)).rejects.toMatchObject({ why: 'fenced' });
    expect(bench.calls()).toEqual([]);
    expect(referenceOf(id)).toBeNull();
  });

  it.each(['link', 'separate'] as const)('of the decision %s lets a person who waits parked for it go on', async (decision) => {
    const [id = ''] = await given([twin(1)], [1, 2]);
    const { runs, redis, store } = bench.site;
    for (const [person, reason] of [
      ['id-1', 'link-approval'],
      ['id-2', 'needs-email'],
    ] as const) {
      const lease = (await runs.lease(person)) ?? expect.fail('no lease');
      await runs.finish(lease, { generation: 1, run: { outcome: 'parked', reason, attempts: 0 } });
      await runs.release(lease);
    }
    expect(await redis.zrange(`${store.prefix}parked`, '0', '-1')).toEqual(['id-1', 'id-2']);
    await bench.modes.set('enforce', ORDER);
    await bench.links.accept([{ customerId: id, decision, reference: 'ref-1' }], ORDER);
    await bench.drive(bench.links);
    expect(await redis.zrange(`${store.prefix}parked`, '0', '-1')).toEqual(['id-2']);
    expect(await redis.zrange(`${store.prefix}dirty`, '0', '-1')).toEqual(['id-1']);
  });
});

describe('somebody for whom something was decided', () => {
  it('goes on even when a run that had read before the decision parks them after it', async () => {
    const [id = ''] = await given([twin(1)], [1]);
    const { runs, redis, store } = bench.site;
    await bench.modes.set('enforce', ORDER);
    const lease = (await runs.lease('id-1')) ?? expect.fail('no lease');
    await bench.links.accept([separate(id, 'ref-1')], ORDER);
    await bench.drive(bench.links);
    await runs.finish(lease, { generation: 1, run: { outcome: 'parked', reason: 'link-approval', attempts: 0 } });
    await runs.release(lease);
    const waiters = `${store.prefix}linkWaiters`;
    await redis.zadd(waiters, 'XX', 0, 'id-1');
    await bench.drive(bench.links);
    expect(await redis.zcard(`${store.prefix}parked`)).toBe(0);
    expect(await redis.zrange(`${store.prefix}dirty`, '0', '-1')).toEqual(['id-1']);
    const again = (await runs.lease('id-1')) ?? expect.fail('no lease');
    await runs.finish(again, { generation: 1, run: { outcome: 'settled', attempts: 0 } });
    await runs.release(again);
    await redis.zadd(waiters, 'XX', 0, 'id-1');
    await bench.drive(bench.links);
    expect(await redis.zcard(waiters)).toBe(0);
  });

  it('is tried again once for it, and not again and again while another customer is undecided', async () => {
    const [one = ''] = await given([twin(1), twin(1)], [1]);
    const { runs, redis, store } = bench.site;
    await bench.modes.set('enforce', ORDER);
    const park = async (): Promise<void> => {
      const lease = (await runs.lease('id-1')) ?? expect.fail('no lease');
      await runs.finish(lease, { generation: 1, run: { outcome: 'parked', reason: 'link-approval', attempts: 0 } });
      await runs.release(lease);
      await redis.zadd(`${store.prefix}linkWaiters`, 'XX', 0, 'id-1');
    };
    const tried = async () => (await runs.story('id-1')).filter(({ entry }) => entry.what === 'retry').length;
    await park();
    await bench.links.accept([separate(one, 'ref-1')], ORDER);
    await bench.drive(bench.links);
    expect(await tried()).toBe(1);
    await park();
    await bench.drive(bench.links);
    expect(await tried()).toBe(1);
    expect(await redis.zrange(`${store.prefix}parked`, '0', '-1')).toEqual(['id-1']);
  });

  it('is not created when the link is approved between the look into the index and the create', async () => {
    const [id = ''] = await given([{ reference: null, email: 'old-name@example.org' }], [1]);
    const { runs, store, redis, key } = bench.site;
    await bench.modes.set('enforce', ORDER);
    const telemetry = createTelemetry({ version: 'test', processMetrics: false });
    const limits = { callsPerWindow: 10_000, windowSeconds: 3_600, concurrency: 4, unknownOutcomeSeconds: 130 };
    let decide = async (): Promise<unknown> => await bench.links.accept([link(id, 'ref-1')], ORDER);
    const parts: ReconcileParts = {
      store,
      runs,
      caller: new Caller(new Budget(redis, store.prefix, limits), key, telemetry),
      client: bench.client,
      index: {
        look: async (...asked) => {
          const sight = await bench.index.look(...asked);
          await decide();
          return sight;
        },
      },
      paymentCollectionMethod: 'remittance',
      siteKey: key,
      logger: pino({ level: 'silent' }),
      telemetry,
      policy: { policy: 'cancel', unknownOutcomeMs: 130_000, graceMs: 0, calmMs: 0, isProtected: () => false },
    };
    const run = async () => {
      const lease = (await runs.lease('id-1')) ?? expect.fail('no lease');
      const outcome = await reconcile(lease, parts, new AbortController().signal);
      await runs.release(lease);
      return outcome;
    };
    expect(await run()).toMatchObject({ kind: 'superseded' });
    decide = async () => undefined;
    // Approved and not carried out: no create takes the reference away from the customer.
    expect(await run()).toMatchObject({ kind: 'parked', reason: 'link-approval' });
    expect(bench.calls()).toEqual([]);
    await bench.drive(bench.links);
    expect(await run()).toMatchObject({ kind: 'settled' });
    expect(bench.calls().filter((call) => call.startsWith('POST'))).toEqual([]);
    expect(await store.read('id-1')).toMatchObject({ link: { customerId: id, origin: 'adopted' } });
  });

  it('may be decided anew when the reference was taken off the customer at Maxio', async () => {
    const [id = ''] = await given([twin(1)], [1]);
    await bench.links.accept([link(id, 'ref-9')], ORDER);
    await bench.drive(bench.links);
    expect(await bench.links.accept([link(id, 'ref-1')], ORDER)).toMatchObject({ accepted: 0, refused: [{}] });
    maxio.sandbox.state.editCustomer(Number(id), { reference: null });
    await bench.survey.want({ by: 'alice' });
    await bench.drive(bench.survey);
    expect(await bench.links.accept([link(id, 'ref-1')], ORDER)).toMatchObject({ accepted: 1, refused: [] });
    await bench.drive(bench.links);
    expect(referenceOf(id)).toBe('ref-1');
  });
});

describe('customers that staff have made since the survey', () => {
  /** As if the survey had ended an hour ago. */
  const anHourLater = async () => await bench.site.redis.hincrby(`${bench.site.store.prefix}index`, 'sinceMs', -3_600_000);

  it('keep a site from being released until somebody decides about them', async () => {
    await given([], [1]);
    await bench.modes.set('observe', { by: 'start' });
    await maxio.customer({ email: mail(1) });
    await anHourLater();
    bench.calls();
    await expect(bench.release.release(ORDER)).rejects.toMatchObject({ error: 'links-open' });
    expect(bench.calls()).toEqual(['GET /customers.json']);
    // Read a moment ago: it is not read again.
    await expect(bench.release.release(ORDER)).rejects.toMatchObject({ error: 'links-open' });
    expect(bench.calls()).toEqual([]);
  });

  it('are not looked for while the site is paused or Maxio is away, and then there is no release', async () => {
    await given([], [1]);
    await anHourLater();
    await bench.modes.set('paused', { by: 'alice' });
    await expect(bench.release.release(ORDER)).rejects.toMatchObject({
      error: 'survey-first',
      todo: expect.stringMatching(/mode observe/),
    });
    expect(bench.calls()).toEqual([]);
    await bench.modes.set('observe', { by: 'alice' });
    maxio.sandbox.state.setFault({ match: { path: '/customers.json' }, kind: 'html-error', times: 1 });
    await expect(bench.release.release(ORDER)).rejects.toMatchObject({
      error: 'survey-first',
      todo: expect.stringMatching(/maxio-scim status/),
    });
    expect(await bench.modes.read()).toMatchObject({ mode: 'observe' });
  });

  it('are looked for every few minutes while the site acts', async () => {
    await given([], [1]);
    const [, newcomers] = bench.chores;
    if (newcomers?.name !== 'newcomers') throw new Error('another chore');
    await anHourLater();
    await maxio.customer({ email: mail(1) });
    bench.calls();
    await bench.turn(newcomers);
    expect(bench.calls()).toEqual([]);
    await bench.modes.set('enforce', ORDER);
    await bench.turn(newcomers);
    await bench.turn(newcomers);
    expect(bench.calls()).toEqual(['GET /customers.json']);
    expect((await bench.index.look('ref-1', [mail(1)])).strangers).toMatchObject([{ email: mail(1) }]);
  });
});

describe('what the plan asks before a create', () => {
  const look = (n: number) => bench.index.look(`ref-${n}`, [mail(n)]);

  it('sees a stranger until somebody decides, and what was decided then', async () => {
    const ids = await given([twin(1), twin(2), twin(3)], [1, 2, 3, 4]);
    const [one = '', two = '', three = ''] = ids;
    expect((await look(1)).strangers).toMatchObject([{ id: one }]);
    await bench.links.accept([link(one, 'ref-1'), separate(two, 'ref-2'), link(three, 'ref-4')], ORDER);
    expect(await look(1)).toMatchObject({ approved: one, strangers: [{ id: one }] });
    expect(await look(2)).toEqual({ ready: true, strangers: [] });
    // The stranger is promised to somebody else, so this person is nobody's twin.
    expect(await look(3)).toEqual({ ready: true, strangers: [] });
    await bench.drive(bench.links);
    expect(await look(1)).toMatchObject({ approved: one, referenced: { id: one }, strangers: [] });
  });

  it('still sees a stranger who was given a reference that nobody has, as by a spreadsheet that dropped its zeros', async () => {
    const [id = ''] = await given([twin(1, live)], [1]);
    await bench.links.accept([link(id, '1')], ORDER);
    expect((await look(1)).strangers).toMatchObject([{ id }]);
    await bench.drive(bench.links);
    expect(referenceOf(id)).toBe('1');
    expect((await look(1)).strangers).toMatchObject([{ id, reference: '1' }]);
    // Somebody who really has it owns the customer.
    expect(await bench.site.store.commit(changeOf('one', { reference: '1' }))).toMatchObject({ kind: 'ok' });
    expect((await look(1)).strangers).toEqual([]);
  });

  it('sees the stranger again when the link has failed', async () => {
    const [id = ''] = await given([twin(1)], [1]);
    await maxio.customer({ reference: 'ref-77', email: 'thief@example.com' });
    await bench.links.accept([link(id, 'ref-77')], ORDER);
    await bench.drive(bench.links);
    const sight = await look(1);
    expect(sight.strangers).toMatchObject([{ id }]);
    expect(sight).not.toHaveProperty('approved');
  });
});

describe('a release', () => {
  const refusal = async (work: Promise<unknown>): Promise<ReleaseRefused> => {
    const error = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof ReleaseRefused)) throw new Error(`not refused: ${String(error)}`);
    return error;
  };

  it('is refused before a survey has ended', async () => {
    const refused = await refusal(bench.release.release(ORDER));
    expect(refused).toMatchObject({ error: 'survey-first', todo: expect.stringContaining('maxio-scim survey') });
    expect(await bench.modes.read()).toMatchObject({ mode: 'observe' });
  });

  it('is refused while somebody looks like a customer and nobody has decided, unless that is accepted', async () => {
    const ids = await given([twin(1), twin(2), { reference: null, email: 'stranger@example.com' }], [1, 2]);
    const refused = await refusal(bench.release.release(ORDER));
    expect(refused).toMatchObject({
      error: 'links-open',
      message: expect.stringContaining('2 customers look'),
      todo: expect.stringContaining('--accept-unlinked'),
    });
    await bench.links.accept([link(ids[0] ?? '', 'ref-1')], ORDER);
    expect((await refusal(bench.release.release(ORDER))).message).toContain('1 customer looks');
    expect(await bench.modes.read()).toMatchObject({ mode: 'observe' });
    expect(await bench.release.release({ ...ORDER, acceptUnlinked: true })).toEqual({
      mode: 'enforce',
      unreferenced: 3,
      twins: 1,
    });
    expect(await bench.modes.read()).toMatchObject({ mode: 'enforce', by: 'alice' });
  });

  it('goes through when everything is decided, and repeating it changes nothing', async () => {
    const ids = await given([twin(1), twin(2), { reference: null, email: 'stranger@example.com' }], [1, 2]);
    await bench.links.accept([link(ids[0] ?? '', 'ref-1'), separate(ids[1] ?? '', 'ref-2')], ORDER);
    await bench.drive(bench.links);
    expect(await bench.release.release(ORDER)).toEqual({ mode: 'enforce', unreferenced: 2, twins: 0 });
    const first = await bench.modes.read();
    expect(await bench.release.release({ by: 'bob', requestId: 'r2' })).toEqual({ mode: 'enforce', unreferenced: 2, twins: 0 });
    expect(await bench.modes.read()).toEqual(first);
  });
});
