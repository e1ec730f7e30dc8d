/**
 * Owns the promise about filters, pages, PATCH messages, members and conditions: a question that is not understood lists nobody, a change that fails in part
 * changes nothing, and no text a client chooses takes long to read or forges a log line. Over sockets, on a running server.
 * RFC 7644 §3.4.2, §3.5.2, §3.14; ids are those of the project's matrix.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bench, GROUPS, openBench, type Refusal, USERS } from '../support/bad-input.ts';
import type { RawRequest } from '../support/raw-http.ts';
import { patchOf, person } from '../support/scim-server.ts';

const SEARCH = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest';
let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

const filter = (says: RegExp): Refusal => ({ status: 400, scimType: 'invalidFilter', says });
const value = (says: RegExp): Refusal => ({ status: 400, scimType: 'invalidValue', says });
const query = (parameters: string): RawRequest => ({ path: `${USERS}?${parameters}` });
const filtered = (text: string): RawRequest => query(`filter=${encodeURIComponent(text)}`);
const searched = (body: Record<string, unknown>): RawRequest => ({
  path: `${USERS}/.search`,
  body: { schemas: [SEARCH], ...body },
});
const joined = (count: number, by: string): string => Array.from({ length: count }, () => 'active eq true').join(by);
const nested = (depth: number): string => `${'('.repeat(depth)}active eq true${')'.repeat(depth)}`;

describe('filters', () => {
  test.each<[string, string, RegExp]>([
    ['B61 10 KB', joined(450, ' and '), /longer than 2048 characters/],
    ['B61 500 parentheses', nested(500), /nested deeper than 10 levels/],
    ['B61 a chain of not', `${'not ('.repeat(100)}active eq true${')'.repeat(100)}`, /nested deeper than 10/],
    ['B61 60 conditions', joined(60, ' or '), /more than 50 conditions/],
    ['B61 26 conditions and what joins them', joined(26, ' or '), /more than 50 conditions and operators/],
    ['B62 a text without its end', 'userName co "', /without its closing quote/],
    ['B62 an unknown operator', 'userName like "a"', /"like" is none/],
    ['B62 an unknown attribute', 'nonsense eq "a"', /no attribute of a user\. Match on userName/],
    ['B62 an unknown part', 'name.nonsense eq "a"', /no attribute of a user/],
    ['B62 eq on a complex attribute', 'name eq "a"', /several parts; name one of them/],
    ['B62 a password', 'password eq "a"', /never stored/],
    ['B62 nothing', '', /filter is empty/],
    ['B62 blanks', '   ', /filter is empty/],
    ['B62 an attribute alone', 'userName', /ends too early: an operator is missing/],
    ['B62 an operator alone', 'eq', /ends too early: an operator/],
    ['B62 two conditions without a word between', 'active eq true active eq true', /"and", "or" or the end was expected/],
    ['B62 a parenthesis too many', 'active eq true)', /brackets of the filter do not match/],
    ['B62 a parenthesis too few', '(active eq true', /a bracket is not closed/],
    ['B62 an object', 'userName eq {"$ne":null}', /"and", "or" or the end was expected/],
    ['B62 a prototype', '__proto__ eq "a"', /no attribute of a user/],
    ['B62 a prototype of a part', 'name.constructor pr', /no attribute of a user/],
    ['B62 another language', '1=1; DROP TABLE users', /must follow/],
  ])('%s is 400 and lists nobody, in the address and in a search', async (_, text, says) => {
    await bench.refused(filtered(text), filter(says));
    await bench.refused(searched({ filter: text }), filter(says));
    await bench.refused(
      { path: `${GROUPS}?filter=${encodeURIComponent(text)}` },
      filter(/filter|attribute|group|compared|must follow/),
    );
  });

  test('B62 a filter twice counts as one of the two, never as none', async () => {
    const twice = 'filter=userName+eq+%22nobody%22&filter=userName+eq+%22ann%40example.com%22';
    expect((await bench.send(query(twice))).body).toMatchObject({ totalResults: 1, Resources: [{ id: bench.ann }] });
  });

  test.each(['userName sw ""', 'userName co ""', 'id pr', 'not (userName eq "nobody")'])(
    'B64 %s lists a page, never everything at once',
    async (text) => {
      const limited = { itemsPerPage: 1, totalResults: 2 };
      for (const request of [query(`count=1&filter=${encodeURIComponent(text)}`), searched({ count: 1, filter: text })]) {
        expect((await bench.send(request)).body).toMatchObject(limited);
      }
    },
  );

  // Each would take a pattern that backtracks longer than this test may.
  test.each([
    ['an address', `emails.value eq "${'a'.repeat(1_900)}"`],
    ['an address that ends badly', `emails.value eq "${'a@'.repeat(900)}!"`],
    ['dots', `${'a.'.repeat(900)}a pr`],
    ['blanks', `userName${' '.repeat(1_900)}eq "x"!`],
    ['quotes', `userName eq "${'\\"'.repeat(900)}`],
    ['brackets', `emails[${'type['.repeat(300)}`],
    ['colons', `urn:${'a:'.repeat(900)} eq "x"`],
    ['words', `${'a '.repeat(950)}!`],
  ])('B63 %s of the length that is read end at once, in filters, paths and bodies', async (_, text) => {
    const before = await bench.fingerprint();
    for (const request of [
      filtered(text),
      searched({ filter: text }),
      query(`sortBy=${encodeURIComponent(text)}`),
      query(`attributes=${encodeURIComponent(text)}`),
      { method: 'PATCH', path: `${USERS}/${bench.ann}`, body: patchOf({ op: 'remove', path: text }) },
      {
        method: 'PUT',
        path: `${USERS}/${bench.ann}`,
        body: person('ann', { emails: [{ value: text.repeat(100), type: text }] }),
      },
      { body: person('x', { userName: text.repeat(100) }) },
      { headers: { 'if-none-match': text, accept: text, cookie: text, 'x-request-id': text } },
      { body: '{}', headers: { 'content-type': `application/json;${text}` } },
    ] satisfies RawRequest[]) {
      expect((await bench.send(request)).status).toBeLessThan(500);
    }
    expect(await bench.fingerprint()).toBe(before);
  });
});

describe('pages', () => {
  test('B65 below one is one, below none is none, past the end is empty with the right total', async () => {
    for (const startIndex of [-1, 0]) {
      expect((await bench.send(query(`startIndex=${startIndex}`))).body).toMatchObject({ startIndex: 1, itemsPerPage: 2 });
    }
    expect((await bench.send(query('count=-1'))).body).toMatchObject({ totalResults: 2, itemsPerPage: 0, Resources: [] });
    for (const startIndex of ['99999', '99999999999999999999']) {
      expect((await bench.send(query(`startIndex=${startIndex}`))).body).toMatchObject({ totalResults: 2, Resources: [] });
    }
  });

  test.each(['abc', '0x10', '1.5', '1e9', '1e3', '%00', '1%00', 'NaN', 'Infinity', '--1', '1'.repeat(31)])(
    'B66 a count or startIndex of %s is 400',
    async (text) => {
      for (const name of ['count', 'startIndex']) {
        await bench.refused(query(`${name}=${text}`), value(new RegExp(`${name} must be a whole number`)));
      }
    },
  );

  test('B66 a repeated number is 400, an empty one is none, a huge count is capped', async () => {
    for (const name of ['count', 'startIndex']) {
      await bench.refused(query(`${name}=1&${name}=2`), value(new RegExp(`${name} is given more than once`)));
      expect((await bench.send(query(`${name}=`))).body).toMatchObject({ startIndex: 1, itemsPerPage: 2 });
    }
    expect((await bench.send(query('count=1000000000'))).body).toMatchObject({ itemsPerPage: 2 });
  });

  test('B67 thousands of attributes are 400, and those that are none are ignored', async () => {
    await bench.refused(query(`attributes=${'a,'.repeat(3_000)}`), value(/more than 200 attributes/));
    await bench.refused(query(`excludedAttributes=${'a,'.repeat(3_000)}`), value(/more than 200 attributes/));
    await bench.refused(searched({ attributes: Array.from({ length: 9_000 }, () => 'a') }), value(/more than 200 attributes/));
    for (const name of ['__proto__', 'constructor', 'toString', 'nonsense', '..', '[]']) {
      const { body } = await bench.send(query(`count=1&attributes=${name}`));
      expect(body?.Resources, name).toEqual([{ schemas: expect.any(Array), id: bench.ann }]);
    }
  });

  test.each(['constructor', '__proto__', 'name', 'password', 'a'.repeat(2_000)])('B68 an order by %s is 400', async (name) => {
    await bench.refused(query(`sortBy=${name}`), value(/sort/));
  });

  test('B69 what is unknown in the query is ignored, whatever it is called', async () => {
    for (const text of ['aadOptscim062020', '__proto__=x&constructor=y&toString=z', '&&&==', '%zz=%ff', 'a[b][c]=d', '=']) {
      expect((await bench.send(query(text))).body, text).toMatchObject({ totalResults: 2 });
    }
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});

describe('PATCH', () => {
  const patch = (...operations: Record<string, unknown>[]): RawRequest => change({ ...patchOf(...operations) });
  const change = (body: unknown): RawRequest => ({ method: 'PATCH', path: `${USERS}/${bench.ann}`, body });
  const PATH: Refusal = { status: 400, scimType: 'invalidPath', says: /Operation 1 of 1: / };

  test.each([
    '__proto__.polluted',
    'constructor.prototype.x',
    'name.__proto__',
    'name.constructor',
    'emails[type eq "work"].__proto__',
  ])('B70 the path %s is 400', async (path) => {
    for (const op of ['add', 'replace', 'remove']) {
      await bench.refused(patch({ op, path, ...(op !== 'remove' && { value: 'x' }) }), PATH);
    }
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  test('B71 the same as a key is 400, and a key with a dot is a path', async () => {
    for (const key of ['name.__proto__', 'constructor.prototype.x', 'urn:ietf:params:scim:schemas:core:2.0:User:__proto__']) {
      await bench.refused(patch({ op: 'add', value: { [key]: 'x' } }), PATH);
    }
    await bench.refused(patch({ op: 'add', value: JSON.parse('{"a":{"b":1}}') as object, path: 'name.prototype' }), PATH);
    expect((await bench.send(patch({ op: 'replace', value: { 'name.givenName': 'Ann' } }))).body).toMatchObject({
      name: { givenName: 'Ann' },
    });
  });

  test.each<[string, unknown, Refusal]>([
    ['no Operations', {}, { status: 400, scimType: 'invalidSyntax', says: /Operations/ }],
    ['an object', { Operations: {} }, { status: 400, scimType: 'invalidSyntax', says: /Operations/ }],
    ['no operation', { Operations: [] }, { status: 400, scimType: 'invalidSyntax', says: /Operations|operation/ }],
    ['an operation that is a text', { Operations: ['add'] }, { status: 400, scimType: 'invalidSyntax', says: /Operation/ }],
    [
      '1,001 operations',
      { Operations: Array.from({ length: 1_001 }, () => ({ op: 'add', path: 'title', value: 'x' })) },
      { status: 413, says: /1000 operations/ },
    ],
    [
      'an unknown op',
      { Operations: [{ op: 'Move', path: 'title', value: 'x' }] },
      { status: 400, scimType: 'invalidSyntax', says: /add, replace or remove/ },
    ],
    [
      'an op that is a number',
      { Operations: [{ op: 1, path: 'title', value: 'x' }] },
      { status: 400, scimType: 'invalidSyntax', says: /add, replace or remove/ },
    ],
  ])('B72 %s is refused', async (_, body, expected) => {
    await bench.refused(change({ schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], ...(body as object) }), expected);
  });

  test('B72 an op in capitals is understood', async () => {
    expect((await bench.send(patch({ op: 'ADD', path: 'title', value: 'Guide' }))).body).toMatchObject({ title: 'Guide' });
  });

  test('B73 remove without path is noTarget, and a filter that matches nothing makes the element it describes', async () => {
    await bench.refused(patch({ op: 'remove' }), { status: 400, scimType: 'noTarget', says: /remove needs a path/ });
    const made = await bench.send(patch({ op: 'replace', path: 'emails[type eq "home"].value', value: 'ann@home.example' }));
    expect(made.body?.emails).toContainEqual({ type: 'home', value: 'ann@home.example' });
  });

  test('B74 a path that is long, or whose filter is deep, is 400', async () => {
    await bench.refused(
      patch({ op: 'replace', path: `emails[${'('.repeat(500)}type eq "x"${')'.repeat(500)}].value`, value: 'a@x' }),
      PATH,
    );
    await bench.refused(patch({ op: 'replace', path: `emails[type eq "${'x'.repeat(10_000)}"].value`, value: 'a@x' }), PATH);
    await bench.refused(
      patch({ op: 'replace', path: `emails[${Array.from({ length: 60 }, () => 'type eq "x"').join(' or ')}].value`, value: 'a' }),
      PATH,
    );
  });

  test('B75 what fails at its third operation has changed nothing', async () => {
    const operations = [
      { op: 'replace', path: 'title', value: 'Boss' },
      { op: 'replace', path: 'active', value: false },
      { op: 'replace', path: 'active', value: 'maybe' },
      { op: 'replace', path: 'nickName', value: 'A' },
    ];
    await bench.refused(patch(...operations), value(/Operation 3 of 4: active must be true or false/));
  });
});

describe('members', () => {
  const NOBODY = '00000000-0000-4000-8000-000000000000';
  const members = (...ids: unknown[]): RawRequest => ({
    method: 'PATCH',
    path: `${GROUPS}/${bench.team}`,
    body: patchOf({ op: 'add', path: 'members', value: ids.map((id) => ({ value: id })) }),
  });
  const strangers = (count: number) =>
    Array.from({ length: count }, (_, n) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`);

  test('B76 somebody unknown among those who join is 400 with the id, and nobody joins', async () => {
    await bench.refused(members(bench.bob, NOBODY), value(new RegExp(`No such person here: "${NOBODY}".*Nothing was changed`)));
    await bench.refused(members('../../x'), value(/No such person here/));
    await bench.refused(members(7), value(/A member has no value/));
    await bench.refused(members(...strangers(5_000)), value(/and 4995 more.*Nothing was changed/));
  });

  test('B76 the group itself, or another one, is 400', async () => {
    await bench.refused(members(bench.team), value(/A member is itself a group/));
    const path = `${GROUPS}/${bench.team}`;
    const put = { displayName: 'Team', members: [{ value: bench.team, type: 'Group' }] };
    await bench.refused({ method: 'PUT', path, body: put }, value(/A member is itself a group/));
  });

  test('B76 more members than a request may name are refused', async () => {
    await bench.refused(members(...strangers(50_001)), value(/more than 50000 values/));
    await bench.refused(
      { ...members(), headers: { 'content-length': String(9 * 1024 * 1024) } },
      { status: 413, says: /larger than 8192 KiB/ },
    );
  });

  test('B76 who is named twice joins once', async () => {
    expect((await bench.send(members(bench.bob, bench.bob, bench.ann, bench.bob))).status).toBe(200);
    const { body } = await bench.send({ path: `${GROUPS}/${bench.team}` });
    expect(body?.members).toEqual([bench.ann, bench.bob].map((id) => expect.objectContaining({ value: id })));
  });
});

describe('conditions', () => {
  const STALE: Refusal = { status: 412, says: /has changed since that version\. Read it again/ };
  const etagOf = async (path: string): Promise<string> => (await bench.send({ path })).headers.etag ?? '';

  test.each(['W/"99"', '"99"', 'garbage', '', ',,,', '\u00ff', '"', `"${'x'.repeat(5_000)}"`])(
    'B78 a change for the version %j, which is not the current one, is 412',
    async (version) => {
      const headers = { 'if-match': version };
      for (const [path, body] of [
        [`${USERS}/${bench.ann}`, person('ann')],
        [`${GROUPS}/${bench.team}`, { displayName: 'Other' }],
      ] as const) {
        await bench.refused({ method: 'PUT', path, headers, body }, STALE);
        await bench.refused({ method: 'PATCH', path, headers, body: patchOf({ op: 'remove', path: 'externalId' }) }, STALE);
        await bench.refused({ method: 'DELETE', path, headers }, STALE);
      }
    },
  );

  test('B78 any version, the weak one as given and the same as a strong one are fine', async () => {
    const path = `${USERS}/${bench.ann}`;
    const set = async (title: string, version: string) =>
      await bench.send({
        method: 'PATCH',
        path,
        headers: { 'if-match': version },
        body: patchOf({ op: 'replace', path: 'title', value: title }),
      });
    expect((await set('one', '*')).status).toBe(200);
    expect((await set('two', await etagOf(path))).status).toBe(200);
    expect((await set('three', (await etagOf(path)).replace('W/', ''))).status).toBe(200);
    expect((await bench.send({ path })).body).toMatchObject({ title: 'three' });
  });
});

describe('logs', () => {
  const FORGERY = '\r\n{"level":"error","msg":"forged"}\u2028\u2029\u0085\u001b[31m';

  test('B80 nothing that is sent forges a line, and none of it is logged', async () => {
    bench.server.logLines.length = 0;
    const path = `${USERS}/${bench.ann}`;
    const encoded = encodeURIComponent(FORGERY);
    await bench.send({ body: person('x', { userName: FORGERY }) });
    await bench.send({ body: person('x', { displayName: FORGERY, 'urn:acme:x': { [FORGERY]: FORGERY } }) });
    await bench.send({ body: `{"userName":"forged${FORGERY}` });
    await bench.send({ method: 'PATCH', path, body: patchOf({ op: 'replace', path: FORGERY, value: FORGERY }) });
    await bench.send({ method: 'PATCH', path, body: patchOf({ op: FORGERY, path: 'title', value: FORGERY }) });
    await bench.send({ path: `${USERS}/${encoded}` });
    await bench.send({ path: `/scim/v2/${encoded}?forged=${encoded}` });
    await bench.send(query(`filter=${encoded}`));
    await bench.send(query(`sortBy=${encoded}&cursor=${encoded}&attributes=${encoded}`));
    await bench.send({ headers: { 'x-request-id': '{"forged":1}', 'user-agent': '{"forged":1}\u001b[31m', referer: 'forged' } });
    await bench.send({ headers: { authorization: 'Bearer forged\u009b31m' } });
    await bench.sendBytes('GET /forged\u001b[31m HTTP/1.1\r\n\r\n');
    await bench.send({ path: GROUPS, body: { displayName: FORGERY, members: [{ value: FORGERY }] } });

    const text = bench.server.logLines.join('');
    expect(bench.server.logLines.length).toBeGreaterThanOrEqual(13);
    for (const trace of ['forged', '\u2028', '\u2029', '\u0085', '\u001b', '\u009b']) expect(text).not.toContain(trace);
    for (const line of text.trimEnd().split('\n'))
      expect(JSON.parse(line)).toMatchObject({ name: 'maxio-scim', level: expect.any(String) });
  });
});
