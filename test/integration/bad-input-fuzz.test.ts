/**
 * Owns the search for requests nobody has thought of: whole requests, from valid ones over damaged ones to noise, as bytes to a running server. Whatever
 * comes, it is answered in the form of SCIM, never as a fault of ours; what is refused has written nothing; and the logs stay one JSON object a line.
 * FUZZ_SEED repeats a run and FUZZ_RUNS makes it longer. RFC 7644 §3.12, RFC 9112.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SERVER_WAITS_MS } from '../../src/http/server.ts';
import { type Bench, openBench } from '../support/bad-input.ts';
import { bytesOf, type RawAnswer, type RawRequest } from '../support/raw-http.ts';
import { person } from '../support/scim-server.ts';

const SEED = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
const RUNS = Number(process.env.FUZZ_RUNS ?? 1_000);
/** The server's half of a chunk of random bytes: what it is told to expect may never come, so it must not wait long. */
const WAITS_MS = { ...SERVER_WAITS_MS, request: 300, headers: 250, check: 25 };

let bench: Bench;
beforeAll(async () => {
  bench = await openBench({ waitsMs: WAITS_MS });
  // Whoever sends a cursor first, right or wrong, makes the key of the site for it.
  await bench.send({ path: '/scim/v2/Users?cursor=' });
});
afterAll(() => bench.close());

const NAMES = [
  'userName',
  'externalId',
  'active',
  'title',
  'name',
  'emails',
  'members',
  'displayName',
  'schemas',
  'id',
  'meta',
  'roles',
  'manager',
];
const ODD = [
  '__proto__',
  'constructor',
  'USERNAME',
  'name.givenName',
  'emails[type eq "work"].value',
  'members[value eq "x"]',
  'urn:acme:2.0:Badge',
  '',
];
const CORE = ['User', 'Group'].map((type) => `urn:ietf:params:scim:schemas:core:2.0:${type}`);
const MESSAGES = ['PatchOp', 'BulkRequest', 'SearchRequest'].map((type) => `urn:ietf:params:scim:api:messages:2.0:${type}`);
const FILTERS = [
  'userName eq "ann@example.com"',
  'emails[type eq "work" and value co "@"]',
  'not (active eq false) or title pr',
  'members.value eq "x"',
];

const name = fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...NAMES) }, fc.constantFrom(...ODD), fc.string({ maxLength: 12 }));
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ maxLength: 20 }),
  fc.constantFrom('False', 'ann@example.com', '', ' ', '\u0000', '\u202e'),
);
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    text,
    fc.boolean(),
    fc.constant(null),
    fc.double(),
    fc.integer(),
    fc.array(tie('json'), { maxLength: 4 }),
    fc.dictionary(name, tie('json'), { maxKeys: 5, noNullPrototype: true }),
  ),
}));

const operation = fc.record(
  { op: fc.constantFrom('add', 'Replace', 'remove', 'move', 1), path: fc.oneof(name, fc.constantFrom(...FILTERS)), value: json },
  { requiredKeys: ['op'] },
);
const anId = fc.constantFrom('ANN', 'BOB', 'TEAM', 'x', '..%2f', '%zz', '00000000-0000-4000-8000-000000000000');
const bulked = fc.record(
  {
    method: fc.constantFrom('POST', 'PUT', 'PATCH', 'DELETE', 'GET'),
    path: anId.map((id) => `/Users/${id}`),
    bulkId: text,
    data: json,
  },
  { requiredKeys: ['method', 'path'] },
);
/** Accepted as it stands, unless something about it is odd. */
const sound = fc
  .record(
    {
      n: fc.nat(),
      title: fc.oneof(fc.string(), fc.constant(null)),
      active: fc.constantFrom(true, false, 'False', 'True'),
      displayName: fc.oneof({ weight: 4, arbitrary: fc.string() }, text),
      roles: fc.array(fc.string(), { maxLength: 3 }),
    },
    { requiredKeys: ['n'] },
  )
  .map(({ n, ...more }) => ({ ...person(`fuzz${n}`), ...more }));
const message = fc.oneof(
  { weight: 6, arbitrary: sound },
  fc.dictionary(name, json, { maxKeys: 8, noNullPrototype: true }).map((more) => ({ ...person('fuzz'), ...more })),
  fc.record({ schemas: fc.constant([MESSAGES[0]]), Operations: fc.array(operation, { maxLength: 4 }) }),
  fc.record({
    schemas: fc.constant([MESSAGES[1]]),
    Operations: fc.array(bulked, { maxLength: 4 }),
    failOnErrors: fc.integer({ max: 3 }),
  }),
  fc.record(
    {
      schemas: fc.constant([MESSAGES[2]]),
      filter: fc.oneof(text, fc.constantFrom(...FILTERS)),
      count: fc.oneof(fc.integer(), text),
    },
    { requiredKeys: ['schemas'] },
  ),
  fc.record({ schemas: fc.constant([CORE[1]]), displayName: text, members: json }, { requiredKeys: ['displayName'] }),
  json,
);

/** Cut short, doubled, or with single bytes changed. */
const damage = (bytes: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> =>
  fc
    .tuple(bytes, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }), fc.option(fc.nat(), { freq: 4 }))
    .map(([whole, changes, cut]) => {
      const copy = Buffer.from(whole);
      for (const [at, byte] of changes) if (copy.length > 0) copy[at % copy.length] = byte;
      return cut === null ? copy : copy.subarray(0, cut % (copy.length + 1));
    });
const whole = message.map((value) => Buffer.from(JSON.stringify(value) ?? ''));
const payload = fc.oneof(
  { weight: 5, arbitrary: whole },
  damage(whole),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
);

const parameter = fc.tuple(
  fc.constantFrom(
    'filter',
    'count',
    'startIndex',
    'sortBy',
    'sortOrder',
    'attributes',
    'excludedAttributes',
    'cursor',
    '__proto__',
    'x',
  ),
  fc.oneof(
    text.map(encoded),
    fc.constantFrom(...FILTERS).map(encoded),
    name.map(encoded),
    fc.integer().map(String),
    fc.constant('%zz'),
  ),
);
const place = fc.oneof(
  fc.constantFrom(
    '/Users',
    '/Groups',
    '/Users/',
    '/.search',
    '/Users/.search',
    '/Bulk',
    '/Schemas',
    '/ServiceProviderConfig',
    '/Me',
    '//Users',
    '/users',
  ),
  anId.map((id) => `/Users/${id}`),
  anId.map((id) => `/Groups/${id}`),
  text.map((each) => `/${encoded(each)}`),
);
const path = fc
  .tuple(place, fc.array(parameter, { maxLength: 4 }))
  .map(
    ([at, query]) => `/scim/v2${at}${query.length === 0 ? '' : `?${query.map(([key, value]) => `${key}=${value}`).join('&')}`}`,
  );

/** Visible Latin-1: what breaks the framing of a head is for the noise below. */
const headerText = fc.string({
  unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code === 0x7f ? 0x20 : code)),
  maxLength: 40,
});
const odd: Record<string, fc.Arbitrary<string>> = {
  authorization: fc.oneof(headerText, fc.constant('Bearer wrong')),
  'content-type': fc.oneof(headerText, fc.constantFrom('text/plain', 'application/json; charset=utf-16', 'application/json')),
  'content-encoding': fc.constantFrom('gzip', 'identity', ''),
  'if-match': fc.oneof(headerText, fc.constantFrom('*', 'W/"1"')),
  'if-none-match': fc.oneof(headerText, fc.constantFrom('*', 'W/"1"')),
  accept: headerText,
  expect: fc.constantFrom('100-continue', 'nonsense'),
  'x-request-id': headerText,
  host: headerText,
  'content-length': fc.constantFrom('0', '1', '7', '-1', 'x'),
  'transfer-encoding': fc.constantFrom('chunked', 'identity', 'gzip, chunked'),
};
const headers = fc
  .array(fc.oneof(...Object.entries(odd).map(([key, each]) => each.map((value): [string, string] => [key, value]))), {
    minLength: 1,
    maxLength: 2,
  })
  .map((entries) => Object.fromEntries(entries));
/** Most requests get as far as the routes: one in three has odd headers. */
const someHeaders = fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, headers);
/** Mostly what belongs together. */
const meant = fc.oneof(
  fc.record({
    method: fc.constantFrom('GET', 'POST'),
    path: fc.constantFrom('/scim/v2/Users', '/scim/v2/Groups', '/scim/v2/Users?attributes=id'),
  }),
  fc.record({
    method: fc.constant('POST'),
    path: fc.constantFrom('/scim/v2/Bulk', '/scim/v2/.search', '/scim/v2/Users/.search'),
  }),
  fc.record({
    method: fc.constantFrom('GET', 'PUT', 'PATCH', 'PATCH'),
    path: fc.constantFrom('/scim/v2/Users/ANN', '/scim/v2/Users/BOB', '/scim/v2/Groups/TEAM'),
  }),
);
const method = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'FOO');

type Fuzzed = { request: RawRequest } | { bytes: Buffer };
const request: fc.Arbitrary<RawRequest> = fc
  .tuple(
    fc.oneof({ weight: 3, arbitrary: meant }, { weight: 2, arbitrary: fc.record({ method, path }) }),
    someHeaders,
    fc.option(payload, { freq: 5, nil: undefined }),
  )
  .map(([line, more, body]) => ({ ...line, headers: more, ...(body !== undefined && { body }) }));
const fuzzed: fc.Arbitrary<Fuzzed> = fc.oneof(
  { weight: 9, arbitrary: request.map((each) => ({ request: each })) },
  { weight: 1, arbitrary: damage(request.map((each) => bytesOf(each, 'TOKEN'))).map((bytes) => ({ bytes })) },
);

function encoded(each: string): string {
  return encodeURIComponent(each.toWellFormed());
}

/** Puts in what only the running server knows. */
function bytesToSend(each: Fuzzed): Buffer {
  const { token } = bench.server;
  const plain = 'bytes' in each ? each.bytes : bytesOf(each.request, token);
  const known = { TOKEN: token, ANN: bench.ann, BOB: bench.bob, TEAM: bench.team };
  let latin = plain.toString('latin1');
  // In the head alone, so that the announced length of a body stays right.
  const end = latin.indexOf('\r\n\r\n');
  let head = end === -1 ? latin : latin.slice(0, end);
  for (const [word, value] of Object.entries(known)) head = head.replaceAll(word, value);
  latin = end === -1 ? head : head + latin.slice(end);
  return Buffer.from(latin, 'latin1');
}

/** A damaged head may lack its end; then the server says 408, which takes a while. */
function expectOrdinary(answer: RawAnswer, method: string | undefined): void {
  const told = JSON.stringify(answer);
  // What is not offered is 501, and of a crowd there is none here.
  expect(answer.status < 500 || answer.status === 501, told).toBe(true);
  expect(answer.headers['cache-control'], told).toBe('no-store');
  if (answer.text === '') {
    expect(method === 'HEAD' || [204, 304].includes(answer.status), told).toBe(true);
    return;
  }
  expect(answer.headers['content-type'], told).toBe('application/scim+json; charset=utf-8');
  expect(answer.body, told).toBeDefined();
  if (answer.status < 400) return;
  expect(answer.body).toMatchObject({
    schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
    status: String(answer.status),
    detail: expect.stringMatching(/^.{10,600}$/),
  });
}

test(`B79 any request is answered in SCIM form, and a refused one has written nothing (seed ${SEED})`, async () => {
  const statuses = new Map<number, number>();
  let before = await bench.fingerprint();
  await fc.assert(
    fc.asyncProperty(fuzzed, async (each) => {
      const answer = await bench.sendBytes(bytesToSend(each));
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      expectOrdinary(answer, 'request' in each ? each.request.method : answer.text === '' ? 'HEAD' : undefined);
      const after = await bench.fingerprint();
      if (answer.status >= 400) expect(after, JSON.stringify(answer)).toBe(before);
      before = after;
    }),
    { seed: SEED, numRuns: RUNS, endOnFailure: true },
  );
  console.log(`fuzz: seed ${SEED}, ${RUNS} requests, by status ${JSON.stringify(Object.fromEntries([...statuses].sort()))}`);

  // A search that never gets past the door, or never changes anything, finds nothing.
  for (const status of [200, 201, 400, 401, 404, 405, 415])
    expect(statuses.get(status) ?? 0, `answers with ${status}`).toBeGreaterThan(0);
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect((await bench.send({ path: '/scim/v2/Users?count=1' })).status).toBe(200);
  for (const line of bench.server.logLines.join('').trimEnd().split('\n')) {
    expect(JSON.parse(line)).toMatchObject({ name: 'maxio-scim' });
    expect(line).not.toContain('"level":"error"');
  }
}, 240_000);
