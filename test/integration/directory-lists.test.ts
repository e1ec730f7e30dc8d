/**
 * How lists and filters find people on a real Redis: by index where one can answer, else by reading everyone, and both must agree.
 * RFC 7644 §3.4.2. What is stored under which key is here, too: nothing a client sends may name one.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { equalities, parseFilter } from '../../src/scim/filter.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { body, CONTEXT, dump, find, openSite, patchOf, type TestSite } from './directory-bench.ts';

let server: TestRedis;
let people: TestSite;
let ids: string[];
beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
  people = openSite(server);
  ids = [];
  for (let n = 0; n < 8; n += 1) {
    const emails = [
      { value: `Person${n}@Example.com`, type: 'work', primary: true },
      { value: 'desk@example.com', type: 'other' },
    ];
    const record = await people.users.create(
      body(n, { userName: `Person.${n}`, externalId: `Ext-${n}`, emails, title: n % 2 ? 'odd' : 'even' }),
      CONTEXT,
    );
    ids.push(record.id);
  }
  await people.users.patch(ids[6] ?? '', patchOf({ op: 'replace', path: 'active', value: false }), CONTEXT);
  await people.users.remove(ids[7] ?? '', CONTEXT);
});
afterAll(() => server.stop());

const at = (...ns: number[]): string[] => ns.map((n) => ids[n] ?? '');

describe('a filter', () => {
  it.each<[string, number[]]>([
    ['userName eq "Person.2"', [2]],
    ['userName eq "PERSON.2"', [2]],
    ['USERNAME EQ "person.2"', [2]],
    ['externalId eq "Ext-3"', [3]],
    ['externalId eq "ext-3"', []],
    ['emails.value eq "person1@EXAMPLE.com"', [1]],
    ['emails eq "person1@example.com"', [1]],
    ['emails.value eq "desk@example.com"', [0, 1, 2, 3, 4, 5, 6]],
    ['emails[type eq "work"].value eq "person4@example.com"', [4]],
    ['emails[type eq "work" and value eq "person4@example.com"]', [4]],
    ['emails[type eq "other" and value eq "person4@example.com"]', []],
    ['userName eq "Person.2" and active eq true', [2]],
    ['userName eq "Person.2" and active eq false', []],
    ['active eq true and userName eq "Person.2"', [2]],
    ['userName eq "Person.2" and externalId eq "Ext-3"', []],
    ['userName eq "Person.2" or externalId eq "Ext-3"', [2, 3]],
    ['not (userName eq "Person.2")', [0, 1, 3, 4, 5, 6]],
    ['userName eq "nobody"', []],
    ['title eq "odd"', [1, 3, 5]],
    ['title eq "ODD" and userName sw "person.3"', [3]],
    ['active eq false', [6]],
    ['userName eq "Person.6"', [6]],
    ['userName eq "Person.7"', []],
    ['externalId eq "Ext-7"', []],
    ['emails.value eq "person7@example.com"', []],
    ['id pr', [0, 1, 2, 3, 4, 5, 6]],
  ])('%s', async (filter, expected) => {
    expect(await find(people, filter)).toEqual(at(...expected));
  });

  it('by id finds that person, an inactive one too, and nobody deleted', async () => {
    expect(await find(people, `id eq "${ids[2]}"`)).toEqual(at(2));
    expect(await find(people, `id eq "${ids[2]?.toUpperCase()}"`)).toEqual([]);
    expect(await find(people, `id eq "${ids[6]}"`)).toEqual(at(6));
    expect(await find(people, `id eq "${ids[7]}"`)).toEqual([]);
    expect(await find(people, 'id eq "*"')).toEqual([]);
  });

  it('answers from an index as it would from reading everyone', async () => {
    for (const term of [
      'userName eq "PERSON.1"',
      'externalId eq "Ext-1"',
      'emails.value eq "desk@example.com"',
      `id eq "${ids[1]}"`,
    ]) {
      expect(equalities(parseFilter(term)), term).toHaveLength(1);
      const scanned = `${term} or title eq "no such title"`;
      expect(equalities(parseFilter(scanned)), scanned).toEqual([]);
      expect(await find(people, term)).toEqual(await find(people, scanned));
    }
  });

  it.each(['emails.value eq "desk@example.com"', 'emails.value sw "desk"'])(
    '%s is paged, with the total of all pages',
    async (filter) => {
      const page = async (startIndex: number, count: number) => {
        const { totalResults, records } = await people.users.list({ filter: parseFilter(filter), startIndex, count });
        expect(totalResults).toBe(7);
        return records.map(({ id }) => id);
      };
      expect(await page(1, 3)).toEqual(at(0, 1, 2));
      expect(await page(4, 3)).toEqual(at(3, 4, 5));
      expect(await page(7, 3)).toEqual(at(6));
      expect(await page(8, 3)).toEqual([]);
      expect(await page(1, 0)).toEqual([]);
    },
  );
});

describe('a list', () => {
  it('has everyone who is not deleted, in order of creation', async () => {
    const { totalResults, records } = await people.users.list({ startIndex: 1, count: 100 });
    expect(totalResults).toBe(7);
    expect(records.map(({ id }) => id)).toEqual(at(0, 1, 2, 3, 4, 5, 6));
    expect(await people.users.list({ startIndex: 1, count: 0 })).toEqual({ totalResults: 7, records: [] });
    expect(await people.users.list({ startIndex: 100, count: 5 })).toEqual({ totalResults: 7, records: [] });
  });

  it('keeps its pages while people are added and changed', async () => {
    const site = openSite(server);
    const made: string[] = [];
    const add = async (n: number) => void made.push((await site.users.create(body(n), CONTEXT)).id);
    for (let n = 0; n < 10; n += 1) await add(n);
    const seen: string[] = [];
    for (let startIndex = 1; startIndex <= 10; startIndex += 3) {
      const { records } = await site.users.list({ startIndex, count: 3 });
      seen.push(...records.map(({ id }) => id));
      await add(100 + startIndex);
      await site.users.patch(made[0] ?? '', patchOf({ op: 'replace', path: 'title', value: `t${startIndex}` }), CONTEXT);
    }
    expect(seen.slice(0, 10)).toEqual(made.slice(0, 10));
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('B03 of more people than one page of a scan finds the last of them', async () => {
    const site = openSite(server);
    await Promise.all(
      Array.from({ length: 450 }, (_, n) => site.users.create(body(n, n === 449 ? { title: 'last' } : {}), CONTEXT)),
    );
    expect(await find(site, 'title eq "last"')).toHaveLength(1);
    const { totalResults, records } = await site.users.list({
      filter: parseFilter('userName co "person"'),
      startIndex: 399,
      count: 200,
    });
    expect(totalResults).toBe(450);
    expect(records).toHaveLength(52);
  });
});

describe('keys', () => {
  it('B57 B52 carry no text of a client, whatever it sends', async () => {
    const site = openSite(server);
    const odd = ['x:*', 'bull:q:1', '{tag}', '\\r\\nSET a b', ':'.repeat(200), '__proto__', 'canary'];
    const known = new Set<string>();
    for (const [n, text] of odd.entries()) {
      const mark = `${text}canary${n}`;
      const { id } = await site.users.create(
        body(n, { userName: mark, externalId: mark, emails: [{ value: `${mark}@example.com` }], title: mark }),
        CONTEXT,
      );
      known.add(id);
      await find(site, `userName eq ${JSON.stringify(mark)} and emails.value eq ${JSON.stringify(mark)}`);
    }
    const names = Object.keys(await dump(site));
    expect(names.length).toBeGreaterThan(20);
    for (const name of names) {
      expect(name.startsWith(`scim:{${site.key}}:`)).toBe(true);
      expect(name.slice(site.store.prefix.length)).toMatch(/^[A-Za-z]+(:([0-9a-f]{40}|[0-9a-f-]{36}))?$/);
    }
    expect(names.join()).not.toContain('canary');
    expect((await site.redis.keys('*')).filter((name) => !name.startsWith('scim:{us.site'))).toEqual([]);
    expect(await site.store.count()).toBe(known.size);
  });

  it('B53 F84 of two sites never meet: names, ids, filters, counts', async () => {
    const one = openSite(server, { key: 'us.acme' });
    const two = openSite(server, { key: 'us.acme2' });
    const mine = await one.users.create(body(1), CONTEXT);
    const theirs = await two.users.create(body(1), CONTEXT);
    expect(theirs.id).not.toBe(mine.id);
    for (const [site, own, other] of [
      [one, mine, theirs],
      [two, theirs, mine],
    ] as const) {
      expect(await find(site, 'userName eq "person1@example.com"')).toEqual([own.id]);
      expect(await find(site, `id eq "${other.id}"`)).toEqual([]);
      expect(await find(site, 'userName pr')).toEqual([own.id]);
      await expect(site.users.read(other.id)).rejects.toMatchObject({ status: 404 });
      await expect(site.users.remove(other.id, CONTEXT)).rejects.toMatchObject({ status: 404 });
      await expect(site.users.replace(other.id, body(1), CONTEXT)).rejects.toMatchObject({ status: 404 });
      expect(await site.store.count()).toBe(1);
    }
  });
});
