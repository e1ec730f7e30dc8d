/**
 * The same people from two replicas at once, on a real Redis: each decision is made on a record that was read and stands only if that record has
 * not moved. RFC 7644 §3.3 uniqueness; a check-then-create race is the classic defect of SCIM servers.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ScimError } from '../../src/scim/error.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { auditOf, body, CONTEXT, openSite, patchOf, type TestSite } from './directory-bench.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
});
afterAll(() => server.stop());

type Attempt = Promise<unknown>;

/** What each attempt came to: the status that the edge would answer. */
async function statuses(attempts: Attempt[], ok: number): Promise<number[]> {
  const results = await Promise.allSettled(attempts);
  return results
    .map((result) => {
      if (result.status === 'fulfilled') return ok;
      if (result.reason instanceof ScimError) return result.reason.status;
      throw result.reason;
    })
    .sort((a, b) => a - b);
}

function pair(): [TestSite, TestSite] {
  const one = openSite(server);
  return [one, one.replica()];
}

describe('two replicas', () => {
  it('F30 get 100 pairs of the same POST: one person each, one conflict each', async () => {
    const [one, two] = pair();
    const pairs = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        statuses([one.users.create(body(n), CONTEXT), two.users.create(body(n), CONTEXT)], 201),
      ),
    );
    expect(pairs).toEqual(Array(100).fill([201, 409]));
    expect(await one.store.count()).toBe(100);
    expect(one.committed.length + two.committed.length).toBe(100);
    expect(await auditOf(one)).toHaveLength(100);
  });

  it.each([
    ['letter case', 'ann@example.com', 'ANN@EXAMPLE.COM'],
    ['composed and decomposed', 'ren\u00e9e', 'rene\u0301e'],
    ['fullwidth', 'ann', '\uff41\uff4e\uff4e'],
    ['ligature', '\ufb01nn', 'finn'],
    ['Kelvin sign', '\u212aim', 'kim'],
    ['sharp s', 'stra\u00dfe', 'STRASSE'],
  ])('F31 B29 B31 get one name in two forms: %s', async (_name, first, second) => {
    const [one, two] = pair();
    const attempts = [
      one.users.create(body(1, { userName: first, externalId: 'a' }), CONTEXT),
      two.users.create(body(2, { userName: second, externalId: 'b' }), CONTEXT),
    ];
    expect(await statuses(attempts, 201)).toEqual([201, 409]);
    expect(await one.store.count()).toBe(1);
  });

  it('F30 get the same externalId for two userNames: one person, one conflict', async () => {
    const [one, two] = pair();
    for (let n = 0; n < 20; n += 1) {
      const attempts = [
        one.users.create(body(`${n}a`, { externalId: `x${n}` }), CONTEXT),
        two.users.create(body(`${n}b`, { externalId: `x${n}` }), CONTEXT),
      ];
      expect(await statuses(attempts, 201)).toEqual([201, 409]);
    }
  });

  it('F32 get two PATCHes of one person: both are applied, the generation rises by two', async () => {
    const [one, two] = pair();
    for (let n = 0; n < 20; n += 1) {
      const { id } = await one.users.create(body(n), CONTEXT);
      await Promise.all([
        one.users.patch(id, patchOf({ op: 'replace', path: 'title', value: 'Boss' }), CONTEXT),
        two.users.patch(
          id,
          patchOf({ op: 'add', path: 'emails', value: [{ value: 'second@example.com', type: 'home' }] }),
          CONTEXT,
        ),
      ]);
      const record = await one.users.read(id);
      expect(record.generation).toBe(3);
      expect(record.attributes.title).toBe('Boss');
      expect(record.attributes.emails).toHaveLength(2);
    }
  });

  it('F32 get a PATCH and the same PATCH: the second finds nothing left to change', async () => {
    const [one, two] = pair();
    const { id } = await one.users.create(body(1), CONTEXT);
    const off = patchOf({ op: 'replace', path: 'active', value: false });
    await Promise.all([one, two, one, two].map((site) => site.users.patch(id, off, CONTEXT)));
    expect((await one.users.read(id)).generation).toBe(2);
    expect(one.committed.length + two.committed.length).toBe(2);
  });

  it('F37 get the return of a deleted person: one revival, one conflict', async () => {
    const [one, two] = pair();
    for (let n = 0; n < 20; n += 1) {
      const { id } = await one.users.create(body(n), CONTEXT);
      await one.users.remove(id, CONTEXT);
      expect(await statuses([one.users.create(body(n), CONTEXT), two.users.create(body(n), CONTEXT)], 201)).toEqual([201, 409]);
      expect(await one.users.read(id)).toMatchObject({ id, generation: 3 });
    }
  });

  it('I3 I4 get DELETE and PATCH at once: the person is deleted, whoever was first', async () => {
    const [one, two] = pair();
    for (let n = 0; n < 20; n += 1) {
      const { id } = await one.users.create(body(n), CONTEXT);
      const rename = two.users.patch(id, patchOf({ op: 'replace', path: 'title', value: 'x' }), CONTEXT);
      await Promise.all([one.users.remove(id, CONTEXT), statuses([rename], 200)]);
      expect(await one.store.read(id)).toMatchObject({ deleted: true });
    }
  });

  it('I2 get two people who both want a third name: one has it', async () => {
    const [one, two] = pair();
    const [first, second] = await Promise.all([one.users.create(body(1), CONTEXT), one.users.create(body(2), CONTEXT)]);
    const rename = (site: TestSite, id: string) =>
      site.users.patch(id, patchOf({ op: 'replace', path: 'userName', value: 'third@example.com' }), CONTEXT);
    expect(await statuses([rename(one, first.id), rename(two, second.id)], 200)).toEqual([200, 409]);
  });

  it('get eight changes of one person at once and lose none', async () => {
    const [one, two] = pair();
    const { id } = await one.users.create(body(1), CONTEXT);
    const change = (n: number) =>
      (n % 2 === 0 ? one : two).users.patch(
        id,
        patchOf({ op: 'add', path: 'phoneNumbers', value: [{ value: String(n), type: `t${n}` }] }),
        CONTEXT,
      );
    await Promise.all(Array.from({ length: 8 }, (_, n) => change(n)));
    const record = await one.users.read(id);
    expect(record.generation).toBe(9);
    expect(record.attributes.phoneNumbers).toHaveLength(8);
  });
});
