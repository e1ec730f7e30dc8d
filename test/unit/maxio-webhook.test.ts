/**
 * What proves that a message is Maxio's, and which objects it is about. The vector is that of Maxio's documentation; the rest are the
 * ways in which a stranger, a proxy or a bug could spoil a message. Refuses to test the route (that is another file).
 */
import { createHash, createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { readWebhook, verifyWebhook } from '../../src/maxio/webhook.ts';
import { Secret } from '../../src/secret.ts';

const KEY = new Secret('123');
const BODY = Buffer.from('payload[chargify]=testing&event=test');
const SIGNED = '19826d51b9f866b26eda1f154de192593360f8d0bcb63df8a28540a5dcf733f1';

describe('the signature', () => {
  test('of the documented message is right', () => {
    expect(verifyWebhook(KEY, BODY, SIGNED)).toBe(true);
  });

  test('covers the bytes as they came, not a form written anew', () => {
    const anew = Buffer.from(new URLSearchParams(BODY.toString()).toString());
    expect(verifyWebhook(KEY, anew, SIGNED)).toBe(false);
    expect(verifyWebhook(KEY, Buffer.concat([BODY, Buffer.from('\n')]), SIGNED)).toBe(false);
    const binary = Buffer.from([0xff, 0x00, 0x26]);
    expect(verifyWebhook(KEY, binary, createHmac('sha256', '123').update(binary).digest('hex'))).toBe(true);
  });

  test.each([
    ['missing', undefined],
    ['empty', ''],
    ['of another key', createHmac('sha256', '124').update(BODY).digest('hex')],
    ['the deprecated MD5', createHash('md5').update(`123${BODY}`).digest('hex')],
    ['too short', SIGNED.slice(2)],
    ['too long', `${SIGNED}00`],
    ['in capitals', SIGNED.toUpperCase()],
    ['with a space', ` ${SIGNED}`],
    ['in base64', Buffer.from(SIGNED, 'hex').toString('base64')],
    ['of as many bytes that are no hex', 'é'.repeat(32)],
  ])('B90 B91 is refused when it is %s', (_what, signature) => {
    expect(verifyWebhook(KEY, BODY, signature)).toBe(false);
  });
});

describe('a message', () => {
  const read = (form: string) => readWebhook(Buffer.from(form));

  test('names its customers and subscriptions at any depth, once each, and its site', () => {
    const form = [
      'id=141765032',
      'event=subscription_state_change',
      'payload[site][id]=77',
      'payload[site][subdomain]=acme',
      'payload[subscription][id]=9',
      'payload[subscription][state]=canceled',
      'payload[subscription][product][id]=5',
      'payload[subscription][product][product_family][id]=6',
      'payload[subscription][customer][id]=7',
      'payload[customer][id]=7',
      'payload[customer_id]=8',
      'payload[event_id]=351',
    ].join('&');
    const expected = {
      event: 'subscription_state_change',
      customerIds: ['7', '8'],
      subscriptionIds: ['9'],
      site: { id: '77', subdomain: 'acme' },
    };
    expect(read(form)).toEqual(expected);
    expect(read(new URLSearchParams(form).toString())).toEqual(expected);
  });

  test('about nobody, with unknown keys or an unknown event is read all the same', () => {
    expect(readWebhook(BODY)).toEqual({ event: 'test', customerIds: [], subscriptionIds: [] });
    expect(read('event=an_event_of_2031&payload[from][2031][customer][id]=5')).toMatchObject({ customerIds: ['5'] });
  });

  test('has no ids that could not be Maxio ids', () => {
    const form = 'event=customer_update&payload[customer][id]=../1&payload[customer][id]=&payload[subscription][id]=a%20b';
    expect(read(form)).toEqual({ event: 'customer_update', customerIds: [], subscriptionIds: [] });
  });

  test.each([
    ['empty', ''],
    ['JSON', '{"event":"customer_update"}'],
    ['without an event', 'payload[customer][id]=5'],
    ['with an event that is no key', 'event=Customer%20Update'],
    ['of more than 64 KB', `event=test&x=${'y'.repeat(65_536)}`],
    ['of 2,001 fields', `event=test${'&a=1'.repeat(2_000)}`],
  ])('%s is none', (_what, form) => {
    expect(read(form)).toBeUndefined();
  });

  test('of exactly 64 KB or 2,000 fields is still one', () => {
    expect(read(`event=test&x=${'y'.repeat(65_536 - 'event=test&x='.length)}`)).toBeDefined();
    expect(read(`event=test${'&a=1'.repeat(1_999)}`)).toBeDefined();
  });

  test('that tries to be expensive to match is read in one pass', () => {
    const name = `payload${'[customer]'.repeat(3_000)}`;
    expect(read(`event=test&${name}=1`)).toEqual({ event: 'test', customerIds: [], subscriptionIds: [] });
  });
});
