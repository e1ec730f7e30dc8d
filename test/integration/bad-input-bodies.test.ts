/**
 * Owns the promise about the shape of bodies: what is refused with which status, scimType and advice, what is accepted although it looks odd, and that a
 * refusal leaves every key of the store as it was. Over sockets, on a running server. RFC 7644 §3.8, §3.12, RFC 8259; ids are those of the project's matrix.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bench, GROUPS, openBench, type Refusal, USERS } from '../support/bad-input.ts';
import { person } from '../support/scim-server.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

const syntax = (says: RegExp): Refusal => ({ status: 400, scimType: 'invalidSyntax', says });
const value = (says: RegExp): Refusal => ({ status: 400, scimType: 'invalidValue', says });
const many = <T>(length: number, one: (n: number) => T): T[] => Array.from({ length }, (_, n) => one(n));
const withKeys = (count: number) => Object.fromEntries(many(count, (n) => [`k${n}`, 1]));

describe('size', () => {
  const TOO_LARGE: Refusal = { status: 413, says: /larger than 256 KiB\. Send less/ };

  test('B01 a body above the limit is 413 as soon as it is announced', async () => {
    await bench.refused({ body: '{}', headers: { 'content-length': String(10 * 1024 * 1024) } }, TOO_LARGE);
    await bench.refused(
      { path: GROUPS, body: '{}', headers: { 'content-length': String(10 * 1024 * 1024) } },
      { status: 413, says: /larger than 8192 KiB/ },
    );
    await bench.refused(
      { path: '/scim/v2/Bulk', body: '{}', headers: { 'content-length': String(10 * 1024 * 1024) } },
      { status: 413, says: /1048576 bytes, the maxPayloadSize.*Split it/ },
    );
  });

  test('B01 a body in chunks is 413 as soon as it has passed the limit', async () => {
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    const head = ['POST /scim/v2/Users HTTP/1.1', 'Host: x', `Authorization: Bearer ${bench.server.token}`];
    const bytes = [...head, 'Content-Type: application/json', 'Transfer-Encoding: chunked', '', chunk.repeat(5)].join('\r\n');
    await bench.refused(bytes, TOO_LARGE);
  });

  test('B01 the limits of bulk requests are told', async () => {
    const { body } = await bench.send({ path: '/scim/v2/ServiceProviderConfig' });
    expect(body?.bulk).toMatchObject({ maxPayloadSize: 1_048_576, maxOperations: 1_000 });
  });

  test.each<[string, string, unknown, Refusal]>([
    ['B02 800 KB of nested lists', GROUPS, `${'['.repeat(400_000)}${']'.repeat(400_000)}`, syntax(/deeper than 16 levels/)],
    ['B02 17 levels', USERS, `{"userName":"a@x","x":${'['.repeat(16)}${']'.repeat(16)}}`, syntax(/deeper than 16 levels/)],
    ['B02 nesting that never ends', USERS, '{"x":'.repeat(20_000), syntax(/deeper than 16 levels/)],
    ['B03 1,001 attributes', USERS, person('x', withKeys(1_001)), value(/more than 1000 attributes.*fewer/)],
    ['B03 100,000 attributes', GROUPS, { displayName: 'x', y: withKeys(100_000) }, value(/more than 1000 attributes.*fewer/)],
    [
      'B03 10,000 e-mails',
      USERS,
      person('x', { emails: many(10_000, (n) => ({ value: `${n}@x` })) }),
      value(/emails has more than 500/),
    ],
    [
      'B03 10,001 values of something unknown',
      USERS,
      person('x', { y: many(10_001, (n) => n) }),
      value(/more than 10000 values/),
    ],
  ])('%s is 400', async (_, path, body, expected) => {
    await bench.refused({ path, body }, expected);
  });
});

describe('JSON', () => {
  const NOT_JSON = syntax(/not valid JSON\. Check quotes/);
  const NOT_ALLOWED = syntax(/attribute name "\w+" is not allowed\. Remove it/);
  const NO_OBJECT = syntax(/must be a JSON object/);
  const NOT_UTF8 = syntax(/not valid UTF-8/);
  const around = (...bytes: number[]) => Buffer.concat([Buffer.from('{"userName":"a'), Buffer.from(bytes), Buffer.from('"}')]);

  test.each<[string, unknown, Refusal]>([
    ['B04 a prototype', '{"userName":"a@x","__proto__":{"x":1}}', NOT_ALLOWED],
    ['B04 B06 a prototype by escape', '{"userName":"a@x","\\u005f_proto__":{"x":1}}', NOT_ALLOWED],
    ['B04 a prototype deep inside', '{"userName":"a@x","name":{"__proto__":{"x":1}}}', NOT_ALLOWED],
    ['B05 constructor.prototype', '{"userName":"a@x","constructor":{"prototype":{"x":1}}}', NOT_ALLOWED],
    ['B07 a NUL by escape', '{"userName":"a\\u0000b"}', value(/"userName" contains control characters\. Remove/)],
    ['B07 a C1 control', person('x', { title: 'a\u0085b' }), value(/"title" contains control characters/)],
    ['B07 an escape character', person('x', { 'urn:acme:x': { deep: ['\u001b[2J'] } }), value(/contains control characters/)],
    ['B08 a raw NUL', '{"userName":"a\u0000b"}', NOT_JSON],
    ['B09 ff fe', around(0xff, 0xfe), NOT_UTF8],
    ['B09 an overlong encoding', around(0xc0, 0xaf), NOT_UTF8],
    ['B09 half a character', around(0xe2, 0x82), NOT_UTF8],
    ['B10 a lone surrogate', '{"userName":"a\\ud800b"}', value(/"userName" is broken Unicode/)],
    ['B12 UTF-16', Buffer.from(JSON.stringify(person('x')), 'utf16le'), NOT_JSON],
    ['B12 UTF-16 with its mark', Buffer.from(`\ufeff${JSON.stringify(person('x'))}`, 'utf16le'), NOT_UTF8],
    ['B14 a key twice', '{"userName":"a@x","userName":"b@x"}', syntax(/"userName" appears twice.*Map it once/)],
    ['B14 a key twice by escape', '{"userName":"a@x","user\\u004eame":"b@x"}', syntax(/"userName" appears twice/)],
    [
      'B15 a key twice in other letter case',
      '{"userName":"a@x","USERNAME":"b@x"}',
      syntax(/"USERNAME" appears twice.*ignore case/),
    ],
    ['B16 an empty body', '', syntax(/no body\. Send a JSON object/)],
    ['B16 blanks', '  \r\n ', syntax(/no body\. Send a JSON object/)],
    ['B16 half a body', '{', NOT_JSON],
    ['B16 text after the body', '{"userName":"a@x"} {}', NOT_JSON],
    ['B16 a comment', '{"userName":"a@x"} // x', NOT_JSON],
    ['B17 a list', '[]', NO_OBJECT],
    ['B17 a list with a person', [person('x')], NO_OBJECT],
    ['B17 null', 'null', NO_OBJECT],
    ['B17 a text', '"x"', NO_OBJECT],
    ['B17 a number', '1', NO_OBJECT],
    ['B18 a number beyond all', '{"userName":"a@x","x":1e999}', value(/"x" is too large.*as a text/)],
    ['B18 a number that cannot be kept', '{"userName":"a@x","x":9007199254740993}', value(/"x" is too large.*as a text/)],
    ['B18 a number for a text', person('x', { title: 7 }), value(/title must be a text/)],
    [
      'B19 another schema',
      person('x', { schemas: ['urn:x:wrong'] }),
      syntax(/"urn:x:wrong".*Send urn:ietf:params:scim:schemas:core:2\.0:User/),
    ],
    [
      'B19 the schema of groups',
      person('x', { schemas: ['urn:ietf:params:scim:schemas:core:2.0:Group'] }),
      syntax(/takes users/),
    ],
    ['B19 1,000 schemas', person('x', { schemas: many(1_000, (n) => `urn:x:${n}`) }), syntax(/more than 100 schemas/)],
    ['B19 schemas that are a number', person('x', { schemas: 7 }), syntax(/schemas must be a list/)],
  ])('%s is 400', async (_, body, expected) => {
    await bench.refused({ body }, expected);
    await bench.refused({ method: 'PUT', path: `${USERS}/${bench.ann}`, body }, expected);
  });

  test('B16 no body at all is 400 where one is needed', async () => {
    const NO_BODY = syntax(/no body\. Send a JSON object/);
    for (const method of ['PUT', 'PATCH']) {
      await bench.refused({ method, path: `${USERS}/${bench.ann}` }, NO_BODY);
      await bench.refused({ method, path: `${GROUPS}/${bench.team}` }, NO_BODY);
    }
    for (const path of [USERS, GROUPS, '/scim/v2/Bulk', '/scim/v2/.search'])
      await bench.refused({ method: 'POST', path }, NO_BODY);
  });

  test('B11 a byte order mark is no part of the body', async () => {
    const answer = await bench.send({ body: `\ufeff${JSON.stringify(person('marked'))}` });
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({ userName: 'marked@example.com' });
  });

  test('B19 schemas may be missing where the rest says what is meant', async () => {
    const { schemas: _, ...body } = person('plain');
    expect((await bench.send({ body })).status).toBe(201);
  });

  test('B20 what is unknown is accepted, and an unknown extension comes back whole', async () => {
    const badge = { colour: 'blue', levels: [1, 2, { deep: true }] };
    const made = await bench.send({ body: person('badged', { 'urn:acme:2.0:Badge': badge, shoeSize: 44 }) });
    expect(made.status).toBe(201);
    const { body } = await bench.send({ path: `${USERS}/${String(made.body?.id)}` });
    expect(body).toMatchObject({ 'urn:acme:2.0:Badge': badge });
  });
});
