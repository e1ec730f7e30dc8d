/** Guards the edge between bytes and JSON: what parseBody refuses, and that it says so as a SCIM error. RFC 7644 §3.12, RFC 8259. */
import { describe, expect, test } from 'vitest';
import { errorBody, ScimError } from '../../src/scim/error.ts';
import { parseBody } from '../../src/scim/parse-body.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

function refusal(input: string | Uint8Array): ScimError {
  try {
    parseBody(typeof input === 'string' ? bytes(input) : input);
  } catch (error) {
    if (error instanceof ScimError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

const MANY_KEYS = `{${Array.from({ length: 1_000 }, (_, i) => `"k${i}":1`).join(',')}}`;

describe('accepts', () => {
  test.each([
    ['plain JSON', '{"userName":"ann","active":true}', { userName: 'ann', active: true }],
    ['B11 a byte order mark', '\ufeff{"userName":"ann"}', { userName: 'ann' }],
    ['line breaks and tabs in text', '{"a":"x\\r\\n\\ty"}', { a: 'x\r\n\ty' }],
    ['a surrogate pair', '{"a":"\\ud83d\\ude00"}', { a: '😀' }],
    ['the same key in different objects', '{"a":{"x":1},"b":{"x":2}}', { a: { x: 1 }, b: { x: 2 } }],
    ['a text equal to a key', '{"a":"b","b":["a","a"]}', { a: 'b', b: ['a', 'a'] }],
    ['brackets and quotes inside text', '{"a":"[[[{{{\\"[","b":1}', { a: '[[[{{{"[', b: 1 }],
    ['16 levels', `${'{"a":'.repeat(15)}{}${'}'.repeat(15)}`, expect.anything()],
    ['1,000 keys', `{${Array.from({ length: 1000 }, (_, i) => `"k${i}":1`).join(',')}}`, expect.anything()],
    ['399,001 keys in all', `{"a":[${Array.from({ length: 399 }, () => MANY_KEYS).join(',')}]}`, expect.anything()],
    ['10,000 elements', `{"a":[${'1,'.repeat(9_999)}1]}`, expect.anything()],
  ])('%s', (_, text, expected) => {
    expect(parseBody(bytes(text))).toEqual(expected);
  });
});

describe('refuses with 400 invalidSyntax', () => {
  test.each([
    ['B02 400,000 nested arrays', '['.repeat(400_000)],
    ['B02 17 levels', `${'{"a":'.repeat(16)}{}${'}'.repeat(16)}`],
    ['B04 __proto__', '{"__proto__":{"polluted":true}}'],
    ['B04 __proto__ escaped', '{"\\u005f_proto__":{"polluted":true}}'],
    ['B04 __proto__ nested', '{"name":{"__proto__":{}}}'],
    ['B05 constructor.prototype', '{"constructor":{"prototype":{}}}'],
    ['B05 prototype alone', '{"a":{"prototype":1}}'],
    ['B08 a raw NUL', '{"userName":"a\0b"}'],
    ['B14 a key twice', '{"userName":"ann","userName":"bob"}'],
    ['B14 a key twice by escape', '{"userName":"ann","user\\u004eame":"bob"}'],
    ['B15 a key twice in other letter case', '{"userName":"ann","USERNAME":"bob"}'],
    ['B15 in a nested object', '{"name":{"givenName":"a","givenname":"b"}}'],
    ['B14 spaces before the colon', '{"a" : 1, "a"\n: 2}'],
    ['B16 no body', ''],
    ['B16 spaces', '  \n'],
    ['B16 half an object', '{'],
    ['B16 text after the object', '{} x'],
    ['B16 an unterminated text', '{"a":"b'],
    ['B16 a broken escape in a key', '{"\\x":1}'],
    ['B17 a list', '[]'],
    ['B17 null', 'null'],
    ['B17 a text', '"x"'],
    ['B17 a number', '1'],
  ])('%s', (_, text) => {
    expect(refusal(text)).toMatchObject({ status: 400, scimType: 'invalidSyntax' });
  });

  test.each([
    ['B09 ff fe', Uint8Array.of(0x7b, 0xff, 0xfe, 0x7d)],
    ['B09 an overlong encoding', Uint8Array.of(0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x7d)],
    ['B12 UTF-16', new Uint8Array(Buffer.from('{"userName":"ann"}', 'utf16le'))],
    ['B12 UTF-16 with its mark', new Uint8Array(Buffer.from('\ufeff{"userName":"ann"}', 'utf16le'))],
  ])('%s', (_, input) => {
    expect(refusal(input)).toMatchObject({ status: 400, scimType: 'invalidSyntax' });
  });
});

describe('refuses with 400 invalidValue', () => {
  test.each([
    ['B03 1,001 keys', `{${Array.from({ length: 1001 }, (_, i) => `"k${i}":1`).join(',')}}`],
    ['B03 more than 400,000 keys in all', `{"a":[${Array.from({ length: 405 }, () => MANY_KEYS).join(',')}]}`],
    ['B03 10,001 elements', `{"emails":[${'1,'.repeat(10_000)}1]}`],
    ['B07 an escaped NUL', '{"userName":"a\\u0000b"}'],
    ['B07 an escape character deep inside', '{"a":[{"b":"\\u001b[31m"}]}'],
    ['B07 a C1 control', '{"a":"\\u0085"}'],
    ['B07 delete', '{"a":"\\u007f"}'],
    ['B07 a control character in a key', '{"a\\u0001":1}'],
    ['B10 a lone high surrogate', '{"a":"\\ud800"}'],
    ['B10 a lone low surrogate', '{"a":"x\\udc00"}'],
    ['B18 1e999', '{"a":1e999}'],
    ['B18 2^53 + 1', '{"a":9007199254740993}'],
  ])('%s', (_, text) => {
    expect(refusal(text)).toMatchObject({ status: 400, scimType: 'invalidValue' });
  });
});

test('a parse error never repeats the body', () => {
  const error = refusal('{"userName":"secret-person@example.com",}');
  expect(JSON.stringify(errorBody(error))).not.toContain('secret-person');
  expect(error.cause).toBeUndefined();
});

test('an error body has the status as a text and leaves out an absent scimType', () => {
  expect(errorBody(new ScimError(413, 'Too large.'))).toEqual({
    schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
    status: '413',
    detail: 'Too large.',
  });
});
