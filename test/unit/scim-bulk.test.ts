/**
 * Guards bulk requests as a message and as a piece of work: what is read, what may be referred to where, and in which order operations are done.
 * The hands of these tests keep bodies in memory and give ids, which is all that order and references need. RFC 7644 §3.7.
 */
import { describe, expect, test } from 'vitest';
import { type BulkRequest, readBulk } from '../../src/scim/bulk/read-bulk.ts';
import { referencesIn, withReferences } from '../../src/scim/bulk/references.ts';
import { type BulkOutcome, type ReadyWrite, runBulk } from '../../src/scim/bulk/run-bulk.ts';
import { ScimError, uniqueness } from '../../src/scim/error.ts';
import type { Json, JsonObject } from '../../src/scim/types.ts';

const SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest';
const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';

function read(operations: Json[], more: JsonObject = {}): BulkRequest {
  return readBulk({ schemas: [SCHEMA], Operations: operations, ...more });
}

function post(bulkId: string, data: JsonObject = {}, path = '/Users'): JsonObject {
  return { method: 'POST', path, bulkId, data: { userName: bulkId, ...data } };
}

const managedBy = (bulkId: string): JsonObject => ({ [ENTERPRISE]: { department: 'R', manager: { value: `bulkId:${bulkId}` } } });

/** Keeps what is written; refuses whoever is called `bad` as a conflict, and whoever is called `late` for now. */
async function run(
  request: BulkRequest,
): Promise<{ outcomes: BulkOutcome[]; writes: ReadyWrite[]; kept: Map<string, JsonObject> }> {
  const writes: ReadyWrite[] = [];
  const kept = new Map<string, JsonObject>();
  const outcomes = await runBulk(request, {
    async write(write) {
      writes.push(write);
      const { method, data = {} } = write;
      if (data.userName === 'bad') throw uniqueness('Taken.');
      if (data.userName === 'late') throw new ScimError(503, 'Not now.');
      const id = method === 'POST' ? `id-of-${String(data.userName)}` : write.id;
      kept.set(id, { ...kept.get(id), ...data });
      return { id, version: `W/"${writes.length}"` };
    },
    refusal: (thrown) => (thrown instanceof ScimError ? thrown : new ScimError(500, String(thrown))),
  });
  return { outcomes, writes, kept };
}

const statuses = (outcomes: BulkOutcome[]): number[] => outcomes.map(({ status }) => status);
const order = (writes: ReadyWrite[]): unknown[] => writes.map(({ number, completes }) => (completes ? `${number}+` : number));

describe('the message', () => {
  test.each<[string, JsonObject, number, string | undefined]>([
    ['no schemas', { Operations: [] }, 400, 'invalidSyntax'],
    ['another message', { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations: [] }, 400, 'invalidSyntax'],
    ['no operations', { schemas: [SCHEMA] }, 400, 'invalidSyntax'],
    ['operations that are no list', { schemas: [SCHEMA], Operations: {} }, 400, 'invalidSyntax'],
    ['one operation too many', { schemas: [SCHEMA], Operations: Array.from({ length: 1_001 }, () => ({})) }, 413, undefined],
    ['failOnErrors 0', { schemas: [SCHEMA], Operations: [], failOnErrors: 0 }, 400, 'invalidValue'],
    ['failOnErrors as a text', { schemas: [SCHEMA], Operations: [], failOnErrors: '1' }, 400, 'invalidValue'],
    ['half an error', { schemas: [SCHEMA], Operations: [], failOnErrors: 1.5 }, 400, 'invalidValue'],
  ])('%s is refused as a whole', (_what, body, status, scimType) => {
    expect(() => readBulk(body)).toThrow(expect.objectContaining({ status, scimType }));
  });

  test('names the limit that was passed', () => {
    expect(() => read(Array.from({ length: 1_001 }, () => ({})))).toThrow(/1001 operations; maxOperations is 1000/);
    expect(read(Array.from({ length: 1_000 }, () => ({}))).operations).toHaveLength(1_000);
  });

  test('is understood with names and methods in any letter case, and without failOnErrors', () => {
    const { operations, failOnErrors } = readBulk({
      SCHEMAS: SCHEMA.toLowerCase(),
      operations: [{ Method: 'patch', PATH: 'Users/1/', Data: {}, VERSION: 'W/"3"', failOnErrors: null }],
    });
    expect(failOnErrors).toBeUndefined();
    expect(operations[0]).toMatchObject({ method: 'PATCH', wanted: { id: '1', version: 'W/"3"', type: { name: 'User' } } });
  });

  test.each<[string, Json, number]>([
    ['something that is no object', 'DELETE /Users/1', 400],
    ['no method', { path: '/Users', bulkId: 'a', data: {} }, 400],
    ['GET', { method: 'GET', path: '/Users/1' }, 400],
    ['a POST without a bulkId', { method: 'POST', path: '/Users', data: {} }, 400],
    ['a POST with an endless bulkId', post('x'.repeat(256)), 400],
    ['a bulkId that is a number', { method: 'POST', path: '/Users', bulkId: 1, data: {} }, 400],
    ['no path', { method: 'DELETE' }, 400],
    ['another bulk request', { method: 'POST', path: '/Bulk', bulkId: 'a', data: {} }, 400],
    ['/Me', { method: 'PATCH', path: '/Me', data: {} }, 501],
    ['an unknown endpoint', { method: 'DELETE', path: '/Devices/1' }, 404],
    ['an absolute address', { method: 'DELETE', path: 'https://scim.example.com/scim/v2/Users/1' }, 404],
    ['a search', { method: 'POST', path: '/Users/.search', bulkId: 'a', data: {} }, 405],
    ['a POST to one person', { method: 'POST', path: '/Users/1', bulkId: 'a', data: {} }, 405],
    ['a PUT of all people', { method: 'PUT', path: '/Users', data: {} }, 405],
    ['a PUT without data', { method: 'PUT', path: '/Users/1' }, 400],
    ['data that is a list', { method: 'PATCH', path: '/Users/1', data: [] }, 400],
    ['a version that is a number', { method: 'DELETE', path: '/Users/1', version: 3 }, 400],
  ])('%s is the error of one operation', async (_what, operation, status) => {
    const { outcomes, writes } = await run(read([operation, post('good')]));
    expect(statuses(outcomes)).toEqual([status, 201]);
    expect(outcomes[0]?.error?.detail).toMatch(/^.{10,200}$/);
    expect(order(writes)).toEqual([2]);
  });

  test('of two creations with one bulkId neither is done, and nobody refers to them', async () => {
    const { outcomes, kept } = await run(read([post('a'), post('b'), post('a'), post('c', { x: 'bulkId:a' })]));
    expect(statuses(outcomes)).toEqual([400, 201, 400, 409]);
    expect([...kept.keys()]).toEqual(['id-of-b']);
  });
});

describe('references', () => {
  const idOf = (bulkId: string): string => `<${bulkId}>`;

  test('stand in values at any depth, at the end of a $ref, and in the filter of a path', () => {
    const body: JsonObject = {
      members: [{ value: 'bulkId:a', $ref: '../Users/bulkId:a' }, 'bulkId:b', { $ref: 'https://x/scim/v2/Users/bulkId:c d' }],
      [ENTERPRISE]: { manager: { value: 'bulkId:d' } },
      Operations: [{ op: 'remove', path: 'members[value eq "bulkId:e\\"f" or value eq "1"]' }],
    };
    expect(referencesIn(body)).toEqual(['a', 'b', 'c d', 'd', 'e"f']);
    expect(withReferences(body, idOf)).toEqual({
      members: [{ value: '<a>', $ref: '../Users/<a>' }, '<b>', { $ref: 'https://x/scim/v2/Users/<c d>' }],
      [ENTERPRISE]: { manager: { value: '<d>' } },
      Operations: [{ op: 'remove', path: 'members[value eq "<e\\"f>" or value eq "1"]' }],
    });
  });

  test('are nothing but that: other texts stay as they are', () => {
    const body: JsonObject = {
      displayName: 'my bulkId:a',
      title: 'BULKID:a',
      path: 'members[value eq "x bulkId:a"] "bulkId:a',
      $ref: '../Users/xbulkId:a',
      n: [1, true, null, { deep: [''] }],
    };
    expect(referencesIn(body)).toEqual([]);
    expect(withReferences(body, idOf)).toEqual(body);
  });

  test('in a path that is a megabyte of quotes are looked for once', () => {
    const path = `members[value eq "${'\\"bulkId:'.repeat(110_000)}\\`;
    // Looking again at every quote would take minutes, and this test its time.
    expect(referencesIn({ path })).toEqual([]);
  });
});

describe('the order', () => {
  test('is that of the request, and what is referred to comes first', async () => {
    const group = { ...post('team', { members: [{ value: 'bulkId:ann' }, { value: 'bulkId:bob' }] }, '/Groups') };
    const rename = { method: 'PATCH', path: '/Groups/bulkId:team', data: { displayName: 'T' } };
    const request = read([rename, post('zoe'), group, post('ann'), { method: 'DELETE', path: '/Users/1' }, post('bob')]);
    const { outcomes, writes, kept } = await run(request);
    expect(order(writes)).toEqual([4, 6, 3, 1, 2, 5]);
    expect(outcomes.map(({ operation }) => operation.number)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(statuses(outcomes)).toEqual([200, 201, 201, 201, 204, 201]);
    expect(outcomes[0]).toMatchObject({ about: { id: 'id-of-team', type: { name: 'Group' } }, version: 'W/"4"' });
    expect(kept.get('id-of-team')).toEqual({
      userName: 'team',
      displayName: 'T',
      members: [{ value: 'id-of-ann' }, { value: 'id-of-bob' }],
    });
  });

  test('holds for a chain of a thousand', async () => {
    const request = read(
      Array.from({ length: 1_000 }, (_, n) => post(`p${n}`, n === 999 ? {} : { next: `bulkId:p${n + 1}`, name: `${n}` })),
    );
    const { outcomes, writes } = await run(request);
    expect(new Set(statuses(outcomes))).toEqual(new Set([201]));
    expect(order(writes)).toEqual(Array.from({ length: 1_000 }, (_, n) => 1_000 - n));
  });

  test('of two who refer to each other one is made first, without the whole attribute, and completed', async () => {
    const { outcomes, writes, kept } = await run(read([post('ann', managedBy('bob')), post('bob', managedBy('ann'))]));
    expect(statuses(outcomes)).toEqual([201, 201]);
    expect(order(writes)).toEqual([2, 1, '2+']);
    expect(writes[0]?.data).toEqual({ userName: 'bob', [ENTERPRISE]: { department: 'R' } });
    expect(kept.get('id-of-ann')).toMatchObject({ [ENTERPRISE]: { manager: { value: 'id-of-bob' } } });
    expect(writes[2]).toMatchObject({
      method: 'PATCH',
      id: 'id-of-bob',
      data: { Operations: [{ op: 'add', value: { [ENTERPRISE]: { manager: { value: 'id-of-ann' } } } }] },
    });
    expect(outcomes[1]?.version).toBe('W/"3"');
  });

  test('goes round larger rings, several at once, and who refers to themselves', async () => {
    const names = ['a', 'b', 'c', 'd'];
    const ring = names.map((name, n) =>
      post(name, { boss: `bulkId:${names[(n + 1) % 4]}`, peer: `bulkId:${names[(n + 2) % 4]}` }),
    );
    const { outcomes, writes } = await run(read([...ring, post('me', { boss: 'bulkId:me' })]));
    expect(statuses(outcomes)).toEqual([201, 201, 201, 201, 201]);
    const told = new Map<string, JsonObject>();
    for (const { method, id, data = {} } of writes) {
      if (method === 'POST') told.set(`id-of-${String(data.userName)}`, data);
      else Object.assign(told.get(id) ?? {}, (data.Operations as { value: JsonObject }[])[0]?.value);
    }
    for (const [n, name] of names.entries()) {
      const wanted = { boss: `id-of-${names[(n + 1) % 4]}`, peer: `id-of-${names[(n + 2) % 4]}` };
      expect(told.get(`id-of-${name}`)).toMatchObject(wanted);
    }
    expect(told.get('id-of-me')).toMatchObject({ boss: 'id-of-me' });
    expect(JSON.stringify(writes)).not.toContain('bulkId:');
  });
});

describe('failures', () => {
  test('leave the others as they are, and fail what refers to them', async () => {
    const needsBad = post('group', { members: ['bulkId:bad', 'bulkId:good'] }, '/Groups');
    const { outcomes } = await run(
      read([
        needsBad,
        post('bad'),
        post('good'),
        post('late'),
        post('later', { boss: 'bulkId:late' }),
        post('lost', { boss: 'bulkId:x' }),
      ]),
    );
    expect(statuses(outcomes)).toEqual([409, 409, 201, 503, 503, 400]);
    expect(outcomes[0]).toMatchObject({ error: { detail: expect.stringMatching(/"bad" was not created.*refer to the id/) } });
    expect(outcomes[0]).not.toHaveProperty('about');
    expect(outcomes[4]).toMatchObject({ error: { detail: expect.stringMatching(/"late" was not created.*Send both again/) } });
    expect(outcomes[5]).toMatchObject({ error: { scimType: 'invalidValue', detail: expect.stringContaining('"x"') } });
  });

  test('of one in a ring: the other is there, is told to be incomplete, and can be referred to', async () => {
    const { outcomes, kept } = await run(
      read([post('bad', { boss: 'bulkId:ann' }), post('ann', { boss: 'bulkId:bad' }), post('cid', { boss: 'bulkId:ann' })]),
    );
    expect(statuses(outcomes)).toEqual([409, 409, 201]);
    expect(outcomes[1]).toMatchObject({
      about: { id: 'id-of-ann' },
      error: { detail: expect.stringMatching(/created, but without/) },
    });
    expect(kept.get('id-of-ann')).toEqual({ userName: 'ann' });
    expect(kept.get('id-of-cid')).toEqual({ userName: 'cid', boss: 'id-of-ann' });
  });

  test.each([
    [1, [409]],
    [2, [409, 201, 404]],
    [3, [409, 201, 404, 201, 409]],
    [4, [409, 201, 404, 201, 409, 201]],
  ])('%i of them end the request where failOnErrors says so', async (failOnErrors, expected) => {
    const request = read(
      [post('bad'), post('a'), { method: 'DELETE', path: '/Devices/1' }, post('b'), post('w', { x: 'bulkId:bad' }), post('c')],
      { failOnErrors },
    );
    const { outcomes, writes } = await run(request);
    expect(statuses(outcomes)).toEqual(expected);
    expect(writes.filter(({ data }) => data?.userName === 'c')).toHaveLength(failOnErrors > 3 ? 1 : 0);
  });

  test('end it also for whoever waits for the one that failed, and never leave a ring silently open', async () => {
    const waiting = await run(read([post('first', { x: 'bulkId:bad' }), post('bad'), post('last')], { failOnErrors: 1 }));
    expect(waiting.outcomes.map(({ operation, status }) => [operation.number, status])).toEqual([[2, 409]]);
    const ring = read([post('ann', { x: 'bulkId:bob', y: 'bulkId:bad' }), post('bob', { x: 'bulkId:ann' }), post('bad')], {
      failOnErrors: 1,
    });
    const { outcomes, kept } = await run(ring);
    expect(outcomes.map(({ operation, status }) => [operation.number, status])).toEqual([
      [2, 409],
      [3, 409],
    ]);
    expect(outcomes[0]).toMatchObject({ about: { id: 'id-of-bob' }, error: { detail: expect.stringContaining('failOnErrors') } });
    expect([...kept.keys()]).toEqual(['id-of-bob']);
  });
});
