/**
 * Owns the promise about what stands around a body: media types, codings, framing, hosts, headers, methods and credentials, each refused in SCIM form with
 * the store untouched. Over sockets, on a running server. RFC 9110, RFC 9112 §2.2, §3.2, §6.3, RFC 7644 §2, §3.8; ids are those of the project's matrix.
 */
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { SERVER_WAITS_MS } from '../../src/http/server.ts';
import { type Bench, expectRefusal, openBench, type Refusal, USERS } from '../support/bad-input.ts';
import type { RawRequest } from '../support/raw-http.ts';
import { PUBLIC_URL, person } from '../support/scim-server.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench({ waitsMs: { ...SERVER_WAITS_MS, request: 2_000, headers: 1_500, check: 50 } });
});
afterAll(() => bench.close());

const MALFORMED: Refusal = { status: 400, says: /not valid HTTP\/1\.1/ };
/** A request that has all it needs up to the headers in question. */
const head = (line: string, ...lines: string[]): string =>
  [line, 'Host: x', `Authorization: Bearer ${bench.server.token}`, 'Content-Type: application/json', ...lines].join('\r\n');
const POST = 'POST /scim/v2/Users HTTP/1.1';
const BODY = JSON.stringify(person('smuggled'));

describe('media types', () => {
  const WRONG: Refusal = { status: 415, says: /Send the body as application\/scim\+json or application\/json/ };

  test.each<[string, string | null, Refusal?]>([
    ['B13 a charset other than UTF-8', 'application/scim+json; charset=utf-16', { status: 415, says: /in UTF-8/ }],
    ['B13 the same in quotes and capitals', 'application/json; x=1; CHARSET="UTF-7"', { status: 415, says: /in UTF-8/ }],
    ['B33 text/plain', 'text/plain'],
    ['B34 a longer subtype', 'application/scim+jsonx'],
    ['B34 a tab and another type', 'application/scim+json\t,text/html'],
    ['B34 a type that begins like ours', 'application/jsonp'],
    ['B35 XML', 'application/xml'],
    ['B35 a form', 'application/x-www-form-urlencoded'],
    ['B35 multipart', 'multipart/form-data; boundary=x'],
    ['B35 nonsense', 'nonsense'],
    ['B35 bytes', '\u00ff\u00fe'],
    ['B35 nothing', ''],
    ['B35 none', null],
  ])('%s is 415', async (_, type, expected = WRONG) => {
    await bench.refused({ body: BODY, headers: { 'content-type': type } }, expected);
  });

  test.each([
    'application/json',
    'APPLICATION/JSON',
    'application/scim+json;charset=UTF-8',
    ' application/json; charset="utf-8" ',
  ])('B36 %j is read', async (type) => {
    const name = Buffer.from(type).toString('hex');
    expect((await bench.send({ body: person(name), headers: { 'content-type': type } })).status).toBe(201);
  });

  test.each(['text/html', 'image/png', '*/*', 'application/scim+json;v=9', '\u00ff', null])(
    'B37 Accept: %j gets SCIM',
    async (accept) => {
      const answer = await bench.send({ headers: { accept } });
      expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/scim+json; charset=utf-8']);
    },
  );

  test.each(['gzip', 'br', 'deflate', 'GZIP, identity', 'x'])(
    'B38 Content-Encoding: %s is 415 and never inflated',
    async (encoding) => {
      const body = gzipSync(JSON.stringify(person('bomb', { nickName: 'x'.repeat(1_000_000) })));
      await bench.refused({ body, headers: { 'content-encoding': encoding } }, { status: 415, says: /without Content-Encoding/ });
    },
  );

  test('B38 Content-Encoding: identity is none', async () => {
    expect((await bench.send({ body: person('as-is'), headers: { 'content-encoding': 'identity' } })).status).toBe(201);
  });

  test('B38 a compressed body that does not say so is not JSON', async () => {
    await bench.refused({ body: gzipSync(BODY) }, { status: 400, scimType: 'invalidSyntax', says: /not valid/ });
  });
});

describe('framing', () => {
  test.each<[string, () => string]>([
    ['B39 a length and chunks', () => head(POST, 'Content-Length: 3', 'Transfer-Encoding: chunked', '', '0\r\n\r\n')],
    ['B39 chunks and a length', () => head(POST, 'Transfer-Encoding: chunked', 'Content-Length: 3', '', '0\r\n\r\n')],
    ['B39 two lengths', () => head(POST, 'Content-Length: 3', 'Content-Length: 4', '', 'abcd')],
    ['B39 two equal lengths', () => head(POST, `Content-Length: ${BODY.length}`, `Content-Length: ${BODY.length}`, '', BODY)],
    ['B39 a list of lengths', () => head(POST, `Content-Length: ${BODY.length}, ${BODY.length}`, '', BODY)],
    ['B39 a length with a sign', () => head(POST, `Content-Length: +${BODY.length}`, '', BODY)],
    ['B39 a length in hex', () => head(POST, 'Content-Length: 0x3', '', 'abc')],
    ['B39 a length beyond all', () => head(POST, 'Content-Length: 99999999999999999999999', '', BODY)],
    ['B39 an unknown coding', () => head(POST, 'Transfer-Encoding: xchunked', '', 'abcd')],
    ['B39 chunked twice', () => head(POST, 'Transfer-Encoding: chunked', 'Transfer-Encoding: identity', '', '0\r\n\r\n')],
    ['B39 a space before the colon', () => head(POST, 'Content-Length : 3', '', 'abc')],
    ['B39 a folded header', () => head(POST, 'X-A: 1', ' 2', '', '')],
    ['B39 bare line feeds', () => `${POST}\nHost: x\n\n`],
    ['B39 a bare carriage return', () => head(POST, 'X-A: 1\rX-B: 2', '', '')],
    ['B39 a chunk size that is none', () => head(POST, 'Transfer-Encoding: chunked', '', 'zz\r\nabc\r\n0\r\n\r\n')],
    ['B39 a chunk size beyond all', () => head(POST, 'Transfer-Encoding: chunked', '', 'fffffffffffffffff\r\nabc\r\n0\r\n\r\n')],
    ['B39 a chunk longer than it says', () => head(POST, 'Transfer-Encoding: chunked', '', '1\r\nabc\r\n0\r\n\r\n')],
    ['B39 a line feed in a chunk extension', () => head(POST, 'Transfer-Encoding: chunked', '', '3;a\nb\r\nabc\r\n0\r\n\r\n')],
    ['B42 a NUL in a header', () => head(POST, 'X-A: a\u0000b', '', '')],
    ['B42 a control character in a header', () => head(POST, 'X-A: a\u0001b', '', '')],
    ['B42 a control character in a header name', () => head(POST, 'X\u0001A: b', '', '')],
    ['B45 an unknown method', () => head('FOO /scim/v2/Users HTTP/1.1', '', '')],
    ['B45 the preface of HTTP/2', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['B40 a request line without version', () => 'GET /scim/v2/Users\r\n\r\n'],
    ['B50 a control character in the path', () => head('GET /scim/v2/Users/a\u0001b HTTP/1.1', '', '')],
    ['B50 a line break in the path', () => head('GET /scim/v2/Users/a\r\nX: b HTTP/1.1', '', '')],
  ])('%s is 400 on a closed connection', async (_, bytes) => {
    const answer = await bench.refused(bytes(), { status: 400, says: /not valid HTTP\/1\.1|path alone in the request line/ });
    expect(answer.headers.connection).toBe('close');
  });

  test('B39 what follows a refused request on the same connection is not read', async () => {
    const before = await bench.fingerprint();
    const second = head(POST, `Content-Length: ${BODY.length}`, 'Connection: close', '', BODY);
    const answer = await bench.sendBytes(`${head(POST, 'Content-Length: 3', 'Content-Length: 4', '', 'abcd')}${second}`);
    expectRefusal(answer, MALFORMED);
    expect(await bench.fingerprint()).toBe(before);
  });

  test('B39 what cannot be read behind a whole request does not take the place of its answer', async () => {
    const { body } = await bench.send({ body: person('answered') });
    const path = `${USERS}/${String(body?.id)}`;
    const answer = await bench.sendBytes(head(`DELETE ${path} HTTP/1.1`, '', '\u0001\u0002 rubbish\r\n\r\n'));
    expect([answer.status, answer.text, answer.headers.connection]).toEqual([204, '', 'close']);
    expect((await bench.send({ path })).status).toBe(404);
  });

  test('B39 B43 a body that is shorter than announced is 408 and writes nothing', async () => {
    const bytes = head(POST, `Content-Length: ${BODY.length + 1}`, '', BODY);
    await bench.refused(bytes, { status: 408, says: /did not arrive in time/ });
  });

  test('B39 a client that goes away in the middle of its body has written nothing', async () => {
    const before = await bench.fingerprint();
    await expect(bench.abandon(head(POST, `Content-Length: ${BODY.length}`, '', BODY.slice(0, -1)))).resolves.toBe(true);
    expect((await bench.send({})).status).toBe(200);
    expect(await bench.fingerprint()).toBe(before);
  });

  test('B48 a token in a trailer is no token', async () => {
    const { token } = bench.server;
    const lines = [
      'GET /scim/v2/Users HTTP/1.1',
      'Host: x',
      'Connection: close',
      'Transfer-Encoding: chunked',
      'Trailer: Authorization',
    ];
    const bytes = [...lines, '', '0', `Authorization: Bearer ${token}`, '', ''].join('\r\n');
    await bench.refused(bytes, { status: 401, says: /bearer token is missing/ });
  });

  test('an expectation that nobody meets is 417, and 100-continue is met', async () => {
    await bench.refused(
      { body: BODY, headers: { expect: 'the-unexpected' } },
      { status: 417, says: /without the Expect header/ },
    );
    expect((await bench.send({ body: person('expected'), headers: { expect: '100-continue' } })).status).toBe(201);
  });
});

describe('hosts and addresses', () => {
  const ONE_HOST: Refusal = { status: 400, says: /exactly one Host/ };
  const PATH_ALONE: Refusal = { status: 400, says: /path alone in the request line/ };

  test('B40 no Host and two Hosts are 400', async () => {
    await bench.refused({ headers: { host: null } }, ONE_HOST);
    await bench.refused({ headers: { host: ['scim.example.com', 'evil.example'] } }, ONE_HOST);
  });

  test.each(['http://evil.example/scim/v2/Users', '*', 'scim/v2/Users', '/scim/v2/Users#/../../metrics'])(
    'B40 the target %s is 400',
    async (path) => {
      await bench.refused({ path }, /^(scim|\*)/.test(path) ? { status: 400, says: /path alone|not valid HTTP/ } : PATH_ALONE);
    },
  );

  test('B40 B46 neither Host nor a forwarded header reaches a location', async () => {
    const forged = {
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'http',
      forwarded: 'host=evil.example',
      'x-original-url': '/evil',
    };
    const answer = await bench.send({ body: person('located'), headers: { host: 'evil.example', ...forged } });
    expect(answer.headers.location).toBe(`${PUBLIC_URL}${USERS}/${String(answer.body?.id)}`);
    expect(JSON.stringify([answer.headers, answer.body])).not.toContain('evil');
  });
});

describe('headers and methods', () => {
  test('B41 a header or path beyond its limit is 431 or 414', async () => {
    const TOO_LARGE: Refusal = { status: 431, says: /larger than 16 KiB/ };
    await bench.refused({ headers: { 'x-a': 'a'.repeat(20_000) } }, TOO_LARGE);
    await bench.refused({ path: `${USERS}?filter=${'a'.repeat(20_000)}` }, TOO_LARGE);
    await bench.refused({ path: `${USERS}?filter=${'a'.repeat(13_000)}` }, { status: 414, says: /longer than 12288.*\.search/ });
    const headers = Object.fromEntries(Array.from({ length: 150 }, (_, n) => [`x-${n}`, '1']));
    await bench.refused({ headers }, { status: 431, says: /more than 100 headers/ });
  });

  test('B41 a second token behind thousands of headers is not overlooked', async () => {
    const many = Array.from({ length: 2_100 }, () => 'a: 1');
    await bench.refused(
      head('GET /scim/v2/Users HTTP/1.1', ...many, 'Authorization: Bearer other', 'Connection: close', '', ''),
      {
        status: 431,
        says: /more than 100 headers|larger than 16 KiB/,
      },
    );
  });

  test.each<[string, RawRequest, Refusal]>([
    ['TRACE', { method: 'TRACE' }, { status: 405, says: /TRACE is not possible here\. Allowed: GET, HEAD, POST/ }],
    ['OPTIONS', { method: 'OPTIONS' }, { status: 405, says: /OPTIONS is not possible/ }],
    ['PROPFIND', { method: 'PROPFIND' }, { status: 404, says: /no such endpoint/ }],
    ['PURGE', { method: 'PURGE' }, { status: 404, says: /no such endpoint/ }],
    ['CONNECT', { method: 'CONNECT', path: 'evil.example:443' }, { status: 405, says: /no proxy/ }],
    ['a method in small letters', { method: 'get' }, MALFORMED],
  ])('B45 %s reaches nothing', async (_, request, expected) => {
    const answer = await bench.refused(request, expected);
    if (expected.status === 405) expect(answer.headers.allow).toContain('GET');
  });

  test.each(['x-http-method-override', 'x-http-method', 'x-method-override'])('B45 %s is ignored', async (name) => {
    const before = await bench.fingerprint();
    expect((await bench.send({ path: `${USERS}/${bench.bob}?_method=DELETE`, headers: { [name]: 'DELETE' } })).status).toBe(200);
    expect(await bench.fingerprint()).toBe(before);
  });

  test('B45 an upgrade is not taken up', async () => {
    const answer = await bench.send({
      headers: { connection: 'Upgrade, close', upgrade: 'websocket', 'sec-websocket-key': 'x' },
    });
    expect([answer.status, answer.headers.upgrade]).toEqual([200, undefined]);
  });

  test.each([
    ['of 10 KB', 'x'.repeat(10_240)],
    ['of 65 characters', 'x'.repeat(65)],
    ['of two words', 'a b'],
    ['with an accent', 'a\u00e9'],
    ['of nothing', ''],
    ['of HTML', '<script>'],
    ['of a quote', '"'],
  ])('B47 an X-Request-Id %s is replaced', async (_, sent) => {
    const { headers } = await bench.send({ headers: { 'x-request-id': sent } });
    expect(headers['x-request-id']).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
  });

  test('B47 a harmless X-Request-Id is kept, and of two neither', async () => {
    expect((await bench.send({ headers: { 'x-request-id': 'okta-1.2_3' } })).headers['x-request-id']).toBe('okta-1.2_3');
    const { headers } = await bench.send({ headers: { 'x-request-id': ['one', 'two'] } });
    expect(headers['x-request-id']).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
  });
});

describe('credentials', () => {
  const WHO: Refusal = { status: 401, says: /bearer token is missing, or unknown, revoked or expired here/ };
  let answered = new Set<string>();
  afterEach(() => {
    answered = new Set();
  });

  test('B48 whoever is not known is told the same 401, whatever was asked and however', async () => {
    const { token } = bench.server;
    for (const authorization of [
      null,
      '',
      'Bearer',
      'Basic dXNlcjpwYXNz',
      'Bearer wrong',
      `Bearer ${token}x`,
      `Bearer ${token} ${token}`,
    ]) {
      for (const request of [
        {},
        { method: 'DELETE', path: `${USERS}/${bench.ann}` },
        { body: '{ not json' },
      ] satisfies RawRequest[]) {
        const answer = await bench.refused({ ...request, headers: { authorization } }, WHO);
        expect(answer.headers['www-authenticate']).toBe('Bearer realm="scim"');
        answered.add(answer.text);
      }
    }
    expect(answered.size).toBe(1);
  });

  test('B48 bytes, two tokens and a very long one are no token', async () => {
    const { token } = bench.server;
    await bench.refused({ headers: { authorization: 'Bearer \u00ff\u00fe' } }, WHO);
    await bench.refused({ headers: { authorization: `Bearer ${'x'.repeat(15_000)}` } }, WHO);
    await bench.refused({ headers: { authorization: [`Bearer ${token}`, 'Bearer other'] } }, WHO);
    await bench.refused({ headers: { authorization: ['Bearer other', `Bearer ${token}`] } }, WHO);
    await bench.refused(
      { headers: { authorization: `Bearer ${'x'.repeat(1_000_000)}` } },
      { status: 431, says: /larger than 16 KiB/ },
    );
  });

  test('B48 the scheme in any letter case, stray blanks and a bare token are understood', async () => {
    const { token } = bench.server;
    for (const authorization of [`bearer ${token}`, `BEARER\t ${token}  `, token, `Bearer bearer ${token}`]) {
      expect((await bench.send({ headers: { authorization } })).status, authorization.slice(0, 8)).toBe(200);
    }
  });
});

test('B46 a forged address does not help whoever tries tokens', async () => {
  const own = await openBench();
  const statuses = [];
  for (let at = 0; at < 40; at += 1) {
    const address = `198.51.100.${at}`;
    const forged = { 'x-forwarded-for': address, 'x-real-ip': address, forwarded: `for=${address}` };
    statuses.push((await own.send({ headers: { authorization: `Bearer wrong-${at}`, ...forged } })).status);
  }
  expect([statuses.at(0), statuses.at(-1)]).toEqual([401, 429]);
  expect((await own.send({})).status).toBe(200);
  await own.close();
});
