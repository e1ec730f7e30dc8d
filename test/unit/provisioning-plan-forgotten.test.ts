/**
 * Guarantees who is not billed again without a human after data was set back, and that nobody else is kept from it: the plan with what Maxio remembers of
 * endings, by what this directory heard of the person last.
 */
import { describe, expect, test } from 'vitest';
import type { MaxioLink, RememberedSubscription } from '../../src/directory/record.ts';
import type { Subscription } from '../../src/maxio/types.ts';
import { plan } from '../../src/provisioning/plan.ts';
import { isForgotten } from '../../src/provisioning/plan-forgotten.ts';
import type { Known, LastWord } from '../../src/provisioning/plan-types.ts';
import { cancellationMessage, readCancellation, rememberSeen } from '../../src/provisioning/remember.ts';
import { inWords, leaving, MARK, mapped, staying, subscription } from './provisioning-plan-bench.ts';

const HOUR_MS = 3_600_000;
/** The person was heard of, left and was canceled an hour later, and another hour later the data was set back. */
const SAID_MS = Date.parse('2026-03-01T10:00:00Z');
const CANCELED_MS = SAID_MS + HOUR_MS;
const LOSS_MS = CANCELED_MS + HOUR_MS;
const SAID: LastWord = { id: 'p1', generation: 1, atMs: SAID_MS };
const OLD: LastWord = { ...SAID, lossAtMs: LOSS_MS };

/** As our cancel leaves it at Maxio, whose times carry the offset of the site. */
function canceled(generation: number, change: Partial<Subscription> = {}): Subscription {
  return subscription('canceled', {
    reference: `${MARK}abc`,
    cancellationMessage: cancellationMessage('p1', generation, 'a-token', 'inactive'),
    canceledAt: new Date(CANCELED_MS - 5 * HOUR_MS).toISOString().replace('.000Z', '-05:00'),
    ...change,
  });
}

const LINK: MaxioLink = { customerId: '5', origin: 'created', confirmed: { ...mapped }, subscriptions: [], unseen: true };

function known(seen: Subscription[] | undefined, subscriptions: RememberedSubscription[] = []): Known {
  const link = { ...LINK, subscriptions };
  const { unseen: _unseen, ...listed } = link;
  return {
    link: seen === undefined ? listed : rememberSeen(link, seen, MARK, 'p1'),
    open: [],
    seen: { ...(seen === undefined ? {} : { subscriptions: { value: seen, atMs: LOSS_MS } }), refused: new Map() },
    nowMs: LOSS_MS,
    unknownOutcomeMs: 130_000,
  };
}

const decided = (said: LastWord, ...seen: Subscription[]): string => inWords(plan({ ...staying, said }, known(seen)));

describe('somebody whom this directory has here and Maxio remembers leaving', () => {
  test.each<[string, LastWord, Subscription]>([
    ['a leave of a later generation', SAID, canceled(2)],
    ['also where the loss was never noticed, and much later', { ...SAID, atMs: SAID_MS - 900 * HOUR_MS }, canceled(9)],
    ['of a product that is not sold any more, so another would be', SAID, canceled(2, { productHandle: 'former' })],
    ['a product that a group took away', SAID, canceled(2, { cancellationMessage: cancellationMessage('p1', 2, 't', 'active') })],
    ['a time that Maxio does not tell', SAID, canceled(2, { canceledAt: undefined })],
    ['a generation that groups have overtaken since', { ...OLD, generation: 7 }, canceled(2)],
    ['an ending of its own accord at the end of a period', OLD, canceled(0, { cancellationMessage: null })],
  ])('F23 is put aside, not billed again: %s', (_name, said, seen) => {
    expect(decided(said, seen)).toBe('park forgotten-leave');
  });

  test('F23 the reason says which ending, and what to do, without naming anybody', () => {
    expect(plan({ ...staying, said: SAID }, known([canceled(2)]))).toMatchObject({
      detail: expect.stringMatching(/subscription 7 .*generation 2, here it is 1.*identity provider send them again/),
    });
  });

  test.each<[string, LastWord, Subscription, string]>([
    ['the identity provider has spoken since', { ...OLD, generation: 2, atMs: LOSS_MS + 1 }, canceled(2), 'step reactivate'],
    [
      'the same, of somebody who has left ten times',
      { ...OLD, generation: 2, atMs: LOSS_MS + 1 },
      canceled(20),
      'step reactivate',
    ],
    ['recreated by a rebuild, and sent', { ...SAID, generation: 2, atMs: LOSS_MS }, canceled(5), 'step reactivate'],
    ['an ordinary return', { ...SAID, generation: 3, atMs: CANCELED_MS + 1_000 }, canceled(2), 'step reactivate'],
    ['a cancel that landed after the return', { ...SAID, generation: 3 }, canceled(2), 'step reactivate'],
    [
      'a return that was on its way when the backup was made',
      { ...OLD, generation: 3, atMs: CANCELED_MS + 1 },
      canceled(2),
      'step reactivate',
    ],
    [
      'a product that a group took away and gives again',
      { ...OLD, generation: 3 },
      canceled(2, { cancellationMessage: cancellationMessage('p1', 2, 't', 'active') }),
      'step reactivate',
    ],
    [
      'ended by staff long after the loss',
      OLD,
      canceled(0, { cancellationMessage: null, canceledAt: new Date(LOSS_MS + HOUR_MS).toISOString() }),
      'step create-subscription',
    ],
    [
      'the message names somebody else',
      SAID,
      canceled(2, { cancellationMessage: cancellationMessage('q2', 2, 't', 'inactive') }),
      'step create-subscription',
    ],
    [
      'brought back at Maxio by hand',
      SAID,
      canceled(2, { state: 'active', cancellationMessage: null, canceledAt: undefined }),
      'settle',
    ],
  ])('is billed as ever where nothing was forgotten: %s', (_name, said, seen, expected) => {
    expect(decided(said, seen)).toBe(expected);
  });

  test('is left alone where nothing would be billed again', () => {
    const live = subscription('active', { id: '8', reference: `${MARK}def` });
    const former = canceled(2, { productHandle: 'former' });
    expect(decided(SAID, former, live)).toBe('settle');
    expect(inWords(plan({ ...leaving, said: SAID }, known([canceled(2)])))).toBe('settle');
    // The address of the customer may change all the same.
    const renamed = { ...staying, mapped: { ...mapped, last_name: 'Ray' }, said: SAID };
    expect(inWords(plan(renamed, known([former, live])))).toBe('step update-customer');
  });
});

describe('what is remembered of Maxio', () => {
  const ended: RememberedSubscription = {
    id: '7',
    origin: 'created',
    state: 'canceled',
    productHandle: 'pro',
    endedBy: 'cancel',
  };

  test('F23 is looked at first where it is older than a loss: a second leave may have followed', () => {
    expect(inWords(plan({ ...staying, said: OLD }, known(undefined, [ended])))).toBe('look subscriptions');
    expect(inWords(plan({ ...staying, said: OLD }, known([canceled(4)], [ended])))).toBe('park forgotten-leave');
  });

  test('is enough for everybody else', () => {
    for (const said of [SAID, { ...OLD, atMs: LOSS_MS }]) {
      expect(inWords(plan({ ...staying, said }, known(undefined, [ended])))).toBe('step reactivate');
    }
  });
});

test('a message is read as it was written, and only about the person it names', () => {
  for (const intent of ['active', 'inactive'] as const) {
    const message = cancellationMessage('p1', 12, 'b9c1', intent);
    expect(readCancellation(message, 'p1')).toEqual({ generation: 12, intent });
    expect(readCancellation(message, 'p')).toBeUndefined();
    expect(readCancellation(message, 'p12')).toBeUndefined();
  }
  for (const other of [null, undefined, '', 'Canceled by staff', 'scim=p1', 'scim=p1 generation=x'])
    expect(readCancellation(other, 'p1')).toBeUndefined();
});

test('only what is canceled was ended', () => {
  for (const state of ['active', 'on_hold', 'expired', 'levitating'])
    expect(isForgotten(OLD, canceled(9, { state }))).toBe(false);
});
