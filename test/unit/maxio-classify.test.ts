/**
 * What every answer proves, with the exact bytes: all error shapes Maxio is known to send, and those only a proxy, a CDN or a
 * broken Maxio would. The rule behind all of them: what cannot be trusted proves nothing.
 */
import { inspect } from 'node:util';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { callResult } from '../../src/maxio/call-result.ts';
import { CALLS } from '../../src/maxio/calls.ts';
import { isAlreadyCanceled, isReferenceTaken, refusalOf } from '../../src/maxio/classify.ts';
import type { MaxioClient } from '../../src/maxio/client.ts';
import { MaxioError, type MaxioErrorKind } from '../../src/maxio/error.ts';
import { messagesOf } from '../../src/maxio/messages.ts';
import { API_KEY, type ScriptedMaxio, startScriptedMaxio, whole } from '../support/scripted-maxio.ts';

let maxio: ScriptedMaxio;
let client: MaxioClient;
beforeEach(async () => {
  maxio = await startScriptedMaxio();
  client = maxio.client();
});
afterEach(() => maxio.close());

async function failure(call: Promise<unknown>): Promise<MaxioError> {
  const err = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(err).toBeInstanceOf(MaxioError);
  return err as MaxioError;
}
const read = (): Promise<unknown> => client.readCustomer('1');
const write = (): Promise<unknown> => client.updateCustomer('1', { first_name: 'A' });

const HTML = '<!DOCTYPE html><html><title>Just a moment...</title></html>';
const shapes: [string, number, string, Record<string, string>, MaxioErrorKind, MaxioErrorKind, string[]][] = [
  ['F48 plain 401', 401, 'HTTP Basic: Access denied.\n', {}, 'unauthorized', 'unauthorized', []],
  ['F48 JSON 403', 403, '{"errors":["Forbidden"]}', {}, 'unauthorized', 'unauthorized', ['Forbidden']],
  ['F48 empty 403', 403, '', {}, 'unauthorized', 'unauthorized', []],
  ['F46 403 challenge page', 403, HTML, { 'content-type': 'text/html' }, 'unavailable', 'ambiguous', []],
  ['base map 400', 400, '{"errors":{"base":["no"]}}', {}, 'rejected', 'rejected', ['no']],
  ['400 that carries the object', 400, '{"subscription":{"id":1,"state":"active"}}', {}, 'rejected', 'rejected', []],
  ['HTML 400 of a proxy', 400, '<html>Bad Request</html>', {}, 'unavailable', 'ambiguous', []],
  ['F47 404 HTML', 404, HTML, { 'content-type': 'text/html' }, 'unavailable', 'ambiguous', []],
  ['F47 404 JSON', 404, '{"error":"Not Found"}', {}, 'unavailable', 'ambiguous', []],
  [
    'duplicate 409',
    409,
    '{"errors":["DuplicatePrevention::DuplicateSubmissionError"]}',
    {},
    'duplicate',
    'duplicate',
    ['DuplicatePrevention::DuplicateSubmissionError'],
  ],
  ['other 409', 409, '{"error":"export is running"}', {}, 'rejected', 'rejected', ['export is running']],
  [
    '422 A',
    422,
    '{"errors":["First name: cannot be blank.","x"]}',
    {},
    'rejected',
    'rejected',
    ['First name: cannot be blank.', 'x'],
  ],
  ['422 B', 422, `{"errors":{"customer":"can't be blank"}}`, {}, 'rejected', 'rejected', ["customer: can't be blank"]],
  [
    '422 C',
    422,
    '{"error":"The subscription is already canceled"}',
    {},
    'rejected',
    'rejected',
    ['The subscription is already canceled'],
  ],
  [
    '422 D',
    422,
    '{"errors":{"base":["a"],"subscription":["b","c"]}}',
    {},
    'rejected',
    'rejected',
    ['a', 'subscription: b', 'subscription: c'],
  ],
  ['422 E', 422, '{"errors":["card"],"action_link":"https://x"}', {}, 'rejected', 'rejected', ['card']],
  ['422 as text', 422, 'no', {}, 'rejected', 'rejected', ['no']],
  ['413', 413, '', {}, 'rejected', 'rejected', []],
  [
    'F40 429 text',
    429,
    'Your request was denied due to a usage violation.',
    {},
    'throttled',
    'throttled',
    ['Your request was denied due to a usage violation.'],
  ],
  ['F40 429 HTML', 429, HTML, {}, 'throttled', 'throttled', []],
  ['408', 408, '', {}, 'unavailable', 'ambiguous', []],
  ['F41 500', 500, '', {}, 'unavailable', 'ambiguous', []],
  ['F41 502', 502, HTML, {}, 'unavailable', 'ambiguous', []],
  ['F41 503 JSON', 503, '{"errors":["down"]}', {}, 'unavailable', 'ambiguous', []],
  ['F41 504', 504, 'upstream timeout', {}, 'unavailable', 'ambiguous', []],
  ['F46 200 HTML', 200, HTML, { 'content-type': 'text/html' }, 'unavailable', 'ambiguous', []],
  ['F45 200 empty', 200, '', {}, 'unavailable', 'ambiguous', []],
  ['F45 200 half a document', 200, '{"customer":{"id":1', {}, 'unavailable', 'ambiguous', []],
  ['F45 200 without id', 200, '{"customer":{"first_name":"Ann"}}', {}, 'unavailable', 'ambiguous', []],
  ['F45 200 null id', 200, '{"customer":{"id":null}}', {}, 'unavailable', 'ambiguous', []],
  ['F45 200 id beyond exact numbers', 200, '{"customer":{"id":9007199254740993}}', {}, 'unavailable', 'ambiguous', []],
  ['F45 200 null', 200, 'null', {}, 'unavailable', 'ambiguous', []],
  ['F45 200 wrong envelope', 200, '{"subscription":{"id":1,"state":"active"}}', {}, 'unavailable', 'ambiguous', []],
  ['F45 200 another id', 200, '{"customer":{"id":2}}', {}, 'unavailable', 'ambiguous', []],
  ['F54 301', 301, '', { location: 'http://127.0.0.1:1/' }, 'unavailable', 'ambiguous', []],
  ['F54 307', 307, '', { location: 'https://evil.example/' }, 'unavailable', 'ambiguous', []],
];

describe.each(shapes)('%s', (_name, status, body, headers, ofRead, ofWrite, messages) => {
  test('is told for what it proves, after one request', async () => {
    maxio.answer(whole(status, body, headers));
    const reading = await failure(read());
    const writing = await failure(write());
    expect([reading.kind, writing.kind]).toEqual([ofRead, ofWrite]);
    expect(writing).toMatchObject({ status, messages, sent: true, answered: true });
    expect(maxio.asked).toHaveLength(2);
  });
});

test.each([
  'Your Chargify account has been canceled. Please contact support.',
  'Your trial has ended, please contact sales.',
  'Site data clearing is in progress. Please try later.',
  'This site has been deleted.',
])('F49 the account block %j is the site being unavailable, on reads and writes alike', async (text) => {
  maxio.answer(whole(422, JSON.stringify({ errors: [text] })));
  expect((await failure(read())).kind).toBe('blocked');
  expect((await failure(write())).kind).toBe('blocked');
  expect((await failure(client.listSubscriptions('1'))).kind).toBe('blocked');
});

test('F47 only a 404 without a body is absence', async () => {
  for (const body of ['', ' ', '\n']) {
    maxio.answer(whole(404, body, { 'content-type': 'text/html' }));
    expect(await client.readCustomer('1')).toBeUndefined();
    expect(await client.lookupCustomer('a')).toBeUndefined();
    expect(await client.listSubscriptions('1')).toBeUndefined();
    expect((await failure(write())).kind).toBe('missing');
    expect((await failure(client.cancelSubscription('1', 'm'))).kind).toBe('missing');
  }
});

test.each([
  ['17', 17_000],
  ['0', 0],
  [' 5 ', 5_000],
  ['-1', undefined],
  ['1.5', undefined],
  ['Fri, 20 Nov 2026 12:00:00 GMT', undefined],
  ['99999999999999999999', undefined],
])('F40 Retry-After %j becomes %s ms', async (header, expected) => {
  maxio.answer(whole(429, '', { 'retry-after': header }));
  const err = await failure(read());
  expect([err.kind, err.retryAfterMs]).toEqual(['throttled', expected]);
});

test('a list with a row that cannot be read, or that belongs to somebody else, is no list', async () => {
  const rows = [
    [{ subscription: { id: 1 } }],
    [{ subscription: { id: 1, state: '' } }],
    [{ subscription: { id: 1, state: 'active', customer: { id: 2 } } }],
    [{ subscription: { id: 1, state: 'active', customer: { id: 1 } } }, {}],
    { subscriptions: [] },
  ];
  for (const row of rows) {
    maxio.answer(whole(200, JSON.stringify(row)));
    expect((await failure(client.listSubscriptions('1'))).kind).toBe('unavailable');
  }
});

test('a lookup that answers with another reference is not believed; letter case alone is', async () => {
  maxio.answer(whole(200, '{"customer":{"id":5,"reference":"bob"}}'));
  expect((await failure(client.lookupCustomer('ann'))).kind).toBe('unavailable');
  maxio.answer(whole(200, '{"customer":{"id":5,"reference":null}}'));
  expect((await failure(client.lookupCustomer('ann'))).kind).toBe('unavailable');
  maxio.answer(whole(200, '{"customer":{"id":5,"reference":"ANN"}}'));
  expect(await client.lookupCustomer('ann')).toMatchObject({ id: '5' });
});

test('a page of a proxy is no confirmation of a scheduled cancel', async () => {
  for (const body of [HTML, '', '[]', '"ok"', '{"message":7}']) {
    maxio.answer(whole(200, body));
    expect((await failure(client.delayCancel('1'))).kind).toBe('ambiguous');
  }
});

test('refusals that a run must tell apart are told apart', async () => {
  const refused = async (call: () => Promise<unknown>, body: string): Promise<MaxioError> => {
    maxio.answer(whole(422, body));
    return await failure(call());
  };
  const verdict = (err: MaxioError): boolean[] => [isAlreadyCanceled(err), isReferenceTaken(err)];
  const cancel = (): Promise<unknown> => client.cancelSubscription('1', 'm');
  expect(verdict(await refused(cancel, '{"error":"The subscription is already canceled"}'))).toEqual([true, false]);
  const delay = (): Promise<unknown> => client.delayCancel('1');
  expect(verdict(await refused(delay, '{"errors":["The subscription is already canceled"]}'))).toEqual([true, false]);
  expect(verdict(await refused(delay, '{"errors":["past due"]}'))).toEqual([false, false]);
  const hold = (): Promise<unknown> => client.hold('1');
  expect(verdict(await refused(hold, '{"errors":["This subscription is not eligible to be put on hold."]}'))).toEqual([
    false,
    false,
  ]);
  const reactivate = (): Promise<unknown> => client.reactivate('1');
  const text = 'Cannot reactivate a subscription that is not marked "Canceled" or "Trial Ended".';
  expect(verdict(await refused(reactivate, JSON.stringify({ errors: [text] })))).toEqual([false, false]);
  const create = (): Promise<unknown> => client.createCustomer('a', {}, 't');
  for (const taken of ['Reference: must be unique - that value has been taken.', 'Customer Reference has already been taken']) {
    expect(verdict(await refused(create, JSON.stringify({ errors: [taken] })))).toEqual([false, true]);
  }
  expect(verdict(await refused(create, '{"errors":{"reference":"must be unique"}}'))).toEqual([false, true]);
  expect(verdict(await refused(create, '{"errors":["Email address: must be unique - that value has been taken."]}'))).toEqual([
    false,
    false,
  ]);
  expect([isAlreadyCanceled(new Error('already canceled')), isReferenceTaken(undefined)]).toEqual([false, false]);
});

test('a slot is released by what the call proved', async () => {
  const end = async (status: number, body = ''): Promise<string> => {
    maxio.answer(whole(status, body));
    return callResult(await failure(write()));
  };
  expect(callResult(undefined)).toBe('answered');
  expect([await end(404), await end(422, '{}'), await end(409, '{}')]).toEqual(['answered', 'answered', 'answered']);
  expect([await end(429), await end(401), await end(403)]).toEqual(['throttled', 'unauthorized', 'unauthorized']);
  expect([
    await end(500),
    await end(200, HTML),
    await end(302),
    await end(422, '{"errors":["This site has been deleted."]}'),
  ]).toEqual(Array(4).fill('failed'));
  expect(callResult(new TypeError('a bug'))).toBe('unknown');
});

test('S13 messages keep neither addresses nor secrets nor control characters, and stay short', () => {
  const body = JSON.stringify({ errors: [`ann@example.com and ${API_KEY}\u0000\u202E\r\nINJECTED`, 'y'.repeat(500)] });
  const [first, second] = messagesOf(body, [API_KEY]);
  expect(first).toBe('[address] and [secret] INJECTED');
  expect(second).toHaveLength(200);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.json().map((text) => `{"errors":${text}}`),
      ),
      (any) => {
        const texts = messagesOf(any, []);
        return texts.length <= 10 && texts.every((text) => text.length > 0 && text.length <= 200 && !/\p{Cc}/u.test(text));
      },
    ),
  );
});

test('S13 a message of megabytes is cut before it is searched, and no secret is cut in two', () => {
  // Searched as a whole, each of these would take hours.
  for (const unit of ['a', '\u0001', 'a.', '%40', 'a ']) {
    const body = JSON.stringify({ errors: [unit.repeat(2_000_000)] });
    for (const text of messagesOf(body, [API_KEY], ['ann'])) expect(text.length).toBeLessThanOrEqual(200);
  }
  const address = `${'b'.repeat(1_950)}@x`;
  for (let at = 0; at < 60; at += 1) {
    const [text] = messagesOf(JSON.stringify({ errors: [`${address} ${'c'.repeat(at)} ${API_KEY}`] }), [API_KEY]);
    expect(text).not.toContain(API_KEY.slice(0, 4));
  }
});

describe('what we have said about a person', () => {
  const reference = 'ref~40zoe';
  const fields = { first_name: 'Zoë', last_name: 'O.Brien-(x)', organization: 'R&D', phone: '+49 30 1' };

  test('S13 does not come back in messages, and in no error text at all', async () => {
    const quoted = `Customer zoë O.Brien-(x) of R&D (ref~40zoe, ${encodeURIComponent('+49 30 1')}) is invalid`;
    maxio.answer(whole(422, JSON.stringify({ errors: [quoted, { last_name: ['O.Brien-(x) is taken'] }] })));
    const error = await failure(client.createCustomer(reference, { ...fields, email: 'z@example.com' }, 'u'));
    expect(error.messages).toEqual([
      'Customer [value] [value] of [value] ([value], [value]) is invalid',
      'last_name: [value] is taken',
    ]);
    expect(`${error.message} ${error.stack} ${inspect(error, { depth: 5, showHidden: true })}`).not.toMatch(
      /zoë|brien|ref~40zoe/i,
    );
  });

  test('S13 is taken out by words: whoever is called Al or taken changes no other word, and no verdict', () => {
    const answer = {
      status: 422,
      contentType: 'application/json',
      retryAfter: undefined,
      body: '{"errors":["Reference: must be unique - that value has been taken. Also already."]}',
    };
    const error = refusalOf(
      CALLS.createCustomer,
      answer,
      [],
      ['Al', 'Taken', 'unique', '', ' ', 'a', '\ud800', '$&', '[x', '\\\\'],
    );
    expect(error?.messages).toEqual(['Reference: must be [value] - that value has been [value]. Also already.']);
    expect(isReferenceTaken(error)).toBe(true);
  });

  test('S13 is taken out before a text is cut, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary', minLength: 2, maxLength: 30 }), { maxLength: 8 }),
        fc.integer({ min: 0, max: 210 }),
        (values, at) => {
          const body = JSON.stringify({ errors: values.map((value) => `${'x'.repeat(at)} ${value} y`) });
          const texts = messagesOf(body, [], values);
          return texts.every((text) => text.length <= 200) && texts.length <= 10;
        },
      ),
    );
    expect(messagesOf(JSON.stringify({ errors: [`${'x'.repeat(195)} Abcdefghij`] }), [], ['Abcdefghij'])[0]).not.toContain('Abc');
  });
});

test('a document nested 100,000 deep is read without harm', async () => {
  maxio.answer(whole(422, `{"errors":${'['.repeat(100_000)}${']'.repeat(100_000)}}`));
  expect((await failure(write())).kind).toBe('rejected');
});
