/** Owns the promise that every audit entry is told in a sentence for people, and that nothing in it is lost or invented. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AuditEntry } from '../../src/directory/audit.ts';
import { tellStory } from '../../src/ops/story.ts';

function told(entry: AuditEntry): string {
  const [line] = tellStory([{ seq: 7, atMs: Date.UTC(2026, 10, 20, 12), generation: 3, entry }]);
  return `${line?.who}: ${line?.what}`;
}

describe('a story', () => {
  test('tells when, in which change and under which request', () => {
    const [line] = tellStory([{ seq: 7, atMs: 0, generation: 3, entry: { kind: 'scim', what: 'delete', requestId: 'r-1' } }]);
    expect(line).toEqual({
      seq: 7,
      at: '1970-01-01T00:00:00.000Z',
      who: 'IdP',
      what: 'Deleted this person.',
      generation: 3,
      requestId: 'r-1',
    });
  });

  test.each<[AuditEntry, string]>([
    [
      { kind: 'scim', what: 'create', changed: ['userName', 'active'], active: true, wasActive: null },
      'IdP: Created this person, active. Changed: userName, active.',
    ],
    [
      { kind: 'scim', what: 'patch', changed: ['active'], active: false, wasActive: true },
      'IdP: Deactivated this person. Changed: active.',
    ],
    [
      { kind: 'scim', what: 'replace', changed: ['active'], active: true, wasActive: false },
      'IdP: Reactivated this person. Changed: active.',
    ],
    [
      { kind: 'scim', what: 'replace', changed: ['name'], active: true, wasActive: true },
      'IdP: Replaced this person, still active. Changed: name.',
    ],
    [{ kind: 'scim', what: 'revive', changed: [], active: true, wasActive: false }, 'IdP: Brought this person back, active.'],
    [
      { kind: 'maxio', what: 'create-with-subscription', result: 'done', customer: '12', subscription: '34' },
      'Maxio: Create the customer with a subscription: done, customer 12, subscription 34.',
    ],
    [
      { kind: 'maxio', what: 'cancel', subscription: '34', result: 'no answer', status: 502 },
      'Maxio: Cancel the subscription: no answer came for subscription 34, so it may or may not have happened.',
    ],
    [
      { kind: 'maxio', what: 'create-customer', result: 'rejected', status: 422, said: ['Email: is invalid'] },
      'Maxio: Create the customer: refused (HTTP 422). Maxio said: Email: is invalid.',
    ],
    [{ kind: 'maxio', what: 'update-customer', result: 'done', fields: ['email'] }, 'Maxio: Update the customer (email): done.'],
    [{ kind: 'maxio', what: 'delay-cancel', subscription: '34', result: 'done', ending: true }, 'ends with its period'],
    [{ kind: 'maxio', what: 'list-subscriptions', result: '34 active, 35 canceled' }, '34 active, 35 canceled'],
    [{ kind: 'maxio', what: 'list-subscriptions', result: '' }, "List the customer's subscriptions: none."],
    [{ kind: 'operator', what: 'approve-leave', actor: 'dana' }, 'operator: Approved that the subscriptions end (dana).'],
    [
      { kind: 'operator', what: 'repair', actor: 'dana', differences: ['fields-differ', 'left-billed'] },
      'operator: Asked to bring this person in step again: fields-differ, left-billed (dana).',
    ],
    [{ kind: 'guard', what: 'held', why: 'hour' }, 'service: Held this leave, because more people left at once than is usual.'],
    [
      { kind: 'run', what: 'parked', reason: 'needs-email', detail: 'Map an e-mail attribute' },
      'service: Parked until an operator or the identity provider acts (needs-email). Map an e-mail attribute.',
    ],
    [{ kind: 'run', what: 'adopted by reference' }, 'service: Adopted by reference.'],
    [
      {
        kind: 'run',
        what: 'an unanswered call is resolved',
        steps: [
          { step: 'cancel', customer: '7', subscription: '70', effect: 'seen' },
          { step: 'create-customer', effect: 'not seen' },
        ],
      },
      'service: An unanswered call is resolved. Cancel the subscription (customer 7, subscription 70): its effect is there. Create the customer: no effect is seen.',
    ],
    [{ kind: 'operator', what: 'retry', actor: 'ops-token' }, 'operator: Asked to try again (ops-token).'],
  ])('%j becomes a sentence', (entry, expected) => {
    expect(told(entry)).toContain(expected);
  });

  test('an entry of any shape is shown, never hidden and never an error', () => {
    const json = fc.jsonValue() as fc.Arbitrary<string>;
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.dictionary(fc.string(), json), (kind, what, more) => {
        const [line] = tellStory([{ seq: 1, atMs: 0, generation: 1, entry: { ...more, kind: kind as 'run', what } }]);
        expect(line?.what).toMatch(/\S/);
      }),
    );
  });
});
