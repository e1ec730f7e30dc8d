import { describe, expect, test } from 'vitest';
import type { UserRecord } from '../../src/directory/record.ts';
import { agrees, readNews, statementsIn } from '../../src/survey/webhook-news.ts';

const record = {
  reference: 'ref-1',
  link: {
    customerId: '7',
    origin: 'created',
    confirmed: { first_name: 'Ann', email: 'ann@example.com', phone: null },
    subscriptions: [{ id: '70', productHandle: 'pro', origin: 'created', state: 'active' }],
  },
} as unknown as UserRecord;

function form(fields: Record<string, string>, event = 'customer_update'): Buffer {
  return Buffer.from(new URLSearchParams({ id: '1', event, ...fields }).toString());
}

const CUSTOMER = {
  'payload[customer][id]': '7',
  'payload[customer][reference]': 'ref-1',
  'payload[customer][first_name]': 'Ann',
  'payload[customer][email]': 'Ann@Example.com',
  'payload[customer][phone]': '',
};
const SUBSCRIPTION = {
  'payload[subscription][id]': '70',
  'payload[subscription][state]': 'active',
  'payload[subscription][cancel_at_end_of_period]': 'false',
  'payload[subscription][product][handle]': 'pro',
  'payload[subscription][customer][id]': '7',
  'payload[subscription][customer][reference]': 'ref-1',
};

function agreesWith(fields: Record<string, string>): boolean {
  const [statement] = statementsIn(readNews(form(fields))?.line ?? '') ?? [];
  return statement !== undefined && agrees(record, statement);
}

describe('a message that says what we believe is no news', () => {
  test.each([
    ['customer', CUSTOMER, true],
    ['another value', { ...CUSTOMER, 'payload[customer][first_name]': 'Eve' }, false],
    ['a field filled that we cleared', { ...CUSTOMER, 'payload[customer][phone]': '1' }, false],
    ['another reference', { ...CUSTOMER, 'payload[customer][reference]': 'x' }, false],
    ['another customer', { ...CUSTOMER, 'payload[customer][id]': '8' }, false],
    [
      'a field that is not told',
      Object.fromEntries(Object.entries(CUSTOMER).filter(([name]) => !name.includes('first_name'))),
      false,
    ],
    ['subscription', SUBSCRIPTION, true],
    ['another state', { ...SUBSCRIPTION, 'payload[subscription][state]': 'canceled' }, false],
    ['scheduled to end', { ...SUBSCRIPTION, 'payload[subscription][cancel_at_end_of_period]': 'true' }, false],
    ['another product', { ...SUBSCRIPTION, 'payload[subscription][product][handle]': 'basic' }, false],
    ['another subscription', { ...SUBSCRIPTION, 'payload[subscription][id]': '71' }, false],
  ])('%s', (_name, fields, expected) => {
    expect(agreesWith(fields)).toBe(expected);
  });
});

test('what is no message, or has no id, is refused; payments do not matter', () => {
  expect(readNews(Buffer.from('nothing'))).toBeUndefined();
  expect(readNews(Buffer.from('event=customer_update&payload[customer][id]=7'))).toBeUndefined();
  expect(readNews(form(SUBSCRIPTION, 'payment_success'))?.matters).toBe(false);
  expect(readNews(form(SUBSCRIPTION, 'subscription_state_change'))).toMatchObject({ id: '1', customerIds: ['7'], matters: true });
  expect(statementsIn('?')).toBeUndefined();
});
