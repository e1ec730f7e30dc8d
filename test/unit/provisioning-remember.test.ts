/**
 * How a look at Maxio becomes memory: which subscriptions are managed, which are somebody else's, and which ending was ours.
 * A wrong "managed" is a wrong cancel, a wrong "foreign" keeps billing a leaver.
 */
import { describe, expect, it } from 'vitest';
import type { MaxioLink } from '../../src/directory/record.ts';
import type { Customer, Subscription } from '../../src/maxio/types.ts';
import { mapUser } from '../../src/provisioning/mapping.ts';
import { cancellationMessage, linkCreated, linkFound, rememberSeen, updateRemembered } from '../../src/provisioning/remember.ts';

const SCIM_ID = '6d14fdb9-183d-5580-b986-af1f4196849a';
const MARK = `scim-${SCIM_ID}-`;
const created: MaxioLink = { customerId: '5', origin: 'created', confirmed: {}, subscriptions: [], unseen: true };
const adopted: MaxioLink = { ...created, origin: 'adopted' };

function subscription(change: Partial<Subscription> = {}): Subscription {
  return {
    id: '7',
    state: 'active',
    reference: null,
    productHandle: 'pro',
    productPriceInCents: 100,
    monthlyCents: 100,
    currentPeriodEndsAt: undefined,
    ending: false,
    cancellationMessage: null,
    customerId: '5',
    updatedAt: '',
    ...change,
  };
}

const remember = (link: MaxioLink, ...seen: Subscription[]): MaxioLink => rememberSeen(link, seen, MARK, SCIM_ID);

describe('a subscription of a customer we made', () => {
  it('that carries our mark for this person is ours, also when our own memory of it was lost', () => {
    const link = remember(created, subscription({ reference: `${MARK}abcd1234` }));
    expect(link.subscriptions).toEqual([
      { id: '7', origin: 'created', state: 'active', productHandle: 'pro', monthlyCents: 100 },
    ]);
    expect(link).not.toHaveProperty('foreign');
    expect(link).not.toHaveProperty('unseen');
  });

  it.each([null, 'made-by-staff', `x${MARK}abcd1234`, `scim-${SCIM_ID.replace('6', '7')}-abcd1234`])(
    'I13 with the reference %j is foreign: shown while it lives, never managed',
    (reference) => {
      const link = remember(created, subscription({ reference }));
      expect(link.subscriptions).toEqual([]);
      expect(link.foreign).toEqual([{ id: '7', productHandle: 'pro' }]);
      expect(remember(link, subscription({ reference, state: 'canceled' }))).not.toHaveProperty('foreign');
    },
  );

  it('that we remember stays ours without a mark, with what Maxio says now', () => {
    const known: MaxioLink = {
      ...created,
      subscriptions: [{ id: '7', origin: 'created', state: 'active', productHandle: 'old', endedBy: 'hold' }],
    };
    const link = remember(known, subscription({ state: 'on_hold', productHandle: 'new' }));
    expect(link.subscriptions).toEqual([
      { id: '7', origin: 'created', state: 'on_hold', productHandle: 'new', monthlyCents: 100, endedBy: 'hold' },
    ]);
  });

  it('that Maxio no longer lists is forgotten', () => {
    const known: MaxioLink = { ...created, subscriptions: [{ id: '7', origin: 'created', state: 'active' }] };
    expect(remember(known).subscriptions).toEqual([]);
  });

  it('without a product keeps what was known of it', () => {
    const known: MaxioLink = {
      ...created,
      subscriptions: [{ id: '7', origin: 'created', state: 'active', productHandle: 'pro' }],
    };
    expect(remember(known, subscription({ productHandle: undefined })).subscriptions[0]?.productHandle).toBe('pro');
    expect(remember(created, subscription({ productHandle: undefined })).foreign).toEqual([{ id: '7' }]);
    const inFamily = { id: '7', productHandle: 'pro', productFamily: 'plans' };
    expect(remember(created, subscription({ productFamily: 'plans' })).foreign).toEqual([inFamily]);
  });
});

describe('a subscription of an adopted customer', () => {
  it('is managed, whoever made it; ours stay told apart', () => {
    const link = remember(adopted, subscription(), subscription({ id: '8', reference: `${MARK}abcd1234` }));
    expect(link.subscriptions.map(({ id, origin }) => `${id} ${origin}`)).toEqual(['7 adopted', '8 created']);
    expect(link).not.toHaveProperty('foreign');
  });
});

describe('the ending of a subscription', () => {
  const message = cancellationMessage(SCIM_ID, 3, 'b9c1', 'inactive');

  it('is restored from our own message at Maxio', () => {
    const link = remember(adopted, subscription({ state: 'canceled', cancellationMessage: message }));
    expect(link.subscriptions[0]?.endedBy).toBe('cancel');
  });

  it('says why, as it is, and is known again either way', () => {
    expect(message).toContain('the identity provider deactivated this person');
    const lost = cancellationMessage(SCIM_ID, 3, 'b9c1', 'active');
    expect(lost).toContain('a group no longer gives this product');
    expect(lost).not.toContain('deactivated');
    const link = remember(adopted, subscription({ state: 'canceled', cancellationMessage: lost }));
    expect(link.subscriptions[0]?.endedBy).toBe('cancel');
  });

  it.each([
    [null, 'canceled'],
    ['Canceled by staff', 'canceled'],
    [cancellationMessage('11111111-1111-5111-8111-111111111111', 3, 'b9c1', 'inactive'), 'canceled'],
    [message, 'active'],
  ])('is not ours with the message %j in the state %s', (cancellationMessage, state) => {
    expect(remember(adopted, subscription({ state, cancellationMessage })).subscriptions[0]).not.toHaveProperty('endedBy');
  });

  it('that we remember otherwise is not overwritten', () => {
    const known: MaxioLink = {
      ...adopted,
      subscriptions: [{ id: '7', origin: 'adopted', state: 'active', endedBy: 'cancel_at_period_end' }],
    };
    const link = remember(known, subscription({ state: 'canceled', cancellationMessage: message }));
    expect(link.subscriptions[0]?.endedBy).toBe('cancel_at_period_end');
  });

  it('names the person by SCIM id, the generation and the attempt, and nothing personal', () => {
    expect(message).toContain(`scim=${SCIM_ID} generation=3 step=b9c1`);
    expect(message).not.toContain('@');
    expect(message.length).toBeLessThan(255);
  });
});

describe('a link', () => {
  const mapped = mapUser({ userName: 'ann@example.com', active: true, phoneNumbers: [{ value: '1' }] });
  const customer = { ...mapped, id: '5', reference: 'r', phone: '2', city: 'Wien', created_at: '', updated_at: '' } as Customer;

  it('to a customer that was found knows what Maxio holds of our fields, and claims no other', () => {
    const link = linkFound(customer, 'adopted', mapped);
    expect(link).toMatchObject({ customerId: '5', origin: 'adopted', unseen: true, subscriptions: [] });
    expect(link.confirmed).toEqual({ first_name: 'ann', last_name: 'ann', email: 'ann@example.com', phone: '2' });
  });

  it('to a customer that we made needs no look and knows its subscription', () => {
    const link = linkCreated(customer, { email: 'ann@example.com' }, subscription());
    expect(link).toEqual({
      customerId: '5',
      origin: 'created',
      confirmed: { email: 'ann@example.com' },
      subscriptions: [{ id: '7', origin: 'created', state: 'active', productHandle: 'pro', monthlyCents: 100 }],
    });
  });

  it('is never changed in place', () => {
    const known: MaxioLink = { ...created, subscriptions: [{ id: '7', origin: 'created', state: 'active' }] };
    const copy = structuredClone(known);
    remember(known, subscription({ state: 'canceled' }));
    updateRemembered(known, '7', (each) => ({ ...each, endedBy: 'cancel' }));
    expect(known).toEqual(copy);
  });
});
