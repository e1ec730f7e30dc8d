/**
 * SIGKILL of the service between any two steps of a create, and a create that takes effect after the client gave up and the person left:
 * one customer, the right billing state, nothing acknowledged lost. Real processes, a real Redis with `appendfsync always`, the sandbox.
 */
import { describe, expect, test } from 'vitest';
import type { FailpointName } from '../../src/failpoint.ts';
import { oktaUser, patch, person } from '../support/people.ts';

import { useStage } from '../support/stage.ts';

/** Short enough to wait for in a test, long enough that an answer on loopback is never taken for lost. */
const ENV = {
  MAXIO_PRODUCT_HANDLE: 'pro',
  MAXIO_UNKNOWN_OUTCOME_SECONDS: '4',
  MAXIO_CALL_DEADLINE_SECONDS: '1',
  SCIM_IDP: 'okta',
};

const stage = useStage({ env: ENV });

function expectOneBilled(): void {
  expect(stage.sandbox.state.customers().map(({ reference }) => reference)).toEqual([person(1).externalId]);
  expect(stage.sandbox.state.subscriptions().map(({ state }) => state)).toEqual(['active']);
}

const POINTS: { id: string; point: FailpointName; what: string }[] = [
  { id: 'F03', point: 'after_commit', what: 'after the commit, before the 201' },
  { id: 'F04', point: 'before_bell', what: 'after the commit, before the bell' },
  { id: 'F05', point: 'after_lease', what: 'after the worker took the person' },
  { id: 'F05', point: 'after_read', what: 'after the worker read the desired state' },
  { id: 'F06', point: 'before_send', what: 'after the open step was recorded, before the POST left' },
  { id: 'F07', point: 'after_answer', what: 'after Maxio answered, before the answer was recorded' },
  { id: 'F08', point: 'after_record', what: 'after the answer was recorded, before settling' },
  { id: 'F10', point: 'after_settle', what: 'after settling, before the bell was put away' },
];

/** Real processes start and die three times in a test, beside others. */
const PATIENCE = { timeout: 120_000 };

describe('kill -9 during a create', PATIENCE, () => {
  test.each(POINTS)('$id: $what ($point)', async ({ point }) => {
    const doomed = await stage.start({ FAILPOINT: `${point}:kill` });
    const reply = await doomed.scim('POST', '/Users', oktaUser(person(1))).catch(() => undefined);
    expect(reply?.status ?? 'reset').toBe(point === 'after_commit' ? 'reset' : reply === undefined ? 'reset' : 201);
    expect((await doomed.waitForEnd()).signal).toBe('SIGKILL');

    const heir = await stage.start();
    await heir.settled(60_000);
    expectOneBilled();
    const match = await heir.scim('GET', `/Users?filter=userName%20eq%20%22${encodeURIComponent(person(1).userName)}%22`);
    expect(match.body.totalResults, 'the acknowledged person is there').toBe(1);
    expect((await heir.scim('POST', '/Users', oktaUser(person(1)))).status, 'the same POST again').toBe(409);
    await heir.settled(60_000);
    expectOneBilled();
  });

  test('F14 F15: kill -9 after the first of two cancels: the second follows, the first is not repeated', async () => {
    const who = person(1);
    stage.sandbox.state.seed({
      customers: [
        {
          first_name: who.givenName,
          last_name: who.familyName,
          email: who.userName,
          reference: who.externalId,
          subscriptions: [{ product_handle: 'pro' }, { product_handle: 'basic' }],
        },
      ],
    });
    const first = await stage.start();
    const created = await first.scim('POST', '/Users', oktaUser(who));
    await first.settled(60_000);
    await first.kill('SIGTERM');
    const doomed = await stage.start({ FAILPOINT: 'after_record:kill' });
    expect(
      (await doomed.scim('PATCH', `/Users/${created.body.id}`, patch({ op: 'replace', value: { active: false } }))).status,
    ).toBe(200);
    await doomed.waitForEnd();
    const heir = await stage.start();
    await heir.settled(60_000);
    expect(stage.sandbox.state.subscriptions().map(({ state }) => state)).toEqual(['canceled', 'canceled']);
    expect(stage.sandbox.state.ledger().filter(({ method }) => method === 'DELETE')).toHaveLength(2);
  });
});

describe('answers that never came', PATIENCE, () => {
  test('F42: the create took effect and the connection was cut: found, not repeated', async () => {
    stage.sandbox.state.setFault({ match: { method: 'POST', path: '/subscriptions.json' }, kind: 'commit-then-drop', times: 1 });
    const service = await stage.start();
    await service.scim('POST', '/Users', oktaUser(person(1)));
    await service.settled(60_000);
    expectOneBilled();
    expect(stage.sandbox.state.ledger().filter(({ method }) => method === 'POST')).toHaveLength(1);
  });

  test('F43: the connection was cut before the create took effect: created once, after it could no longer arrive', async () => {
    stage.sandbox.state.setFault({
      match: { method: 'POST', path: '/subscriptions.json' },
      kind: 'drop-before-commit',
      times: 1,
    });
    const service = await stage.start();
    await service.scim('POST', '/Users', oktaUser(person(1)));
    await service.settled(60_000);
    expectOneBilled();
  });

  test('F44: the create takes effect after the client gave up: one customer, one subscription', async () => {
    stage.sandbox.state.setFault({
      match: { method: 'POST', path: '/subscriptions.json' },
      kind: 'late-commit',
      delayMs: 2_500,
      times: 1,
    });
    const service = await stage.start();
    await service.scim('POST', '/Users', oktaUser(person(1)));
    await service.settled(60_000);
    expectOneBilled();
  });

  test('F44 I4: the create takes effect after the client gave up and the person has left: the subscription is found and ended', async () => {
    stage.sandbox.state.setFault({
      match: { method: 'POST', path: '/subscriptions.json' },
      kind: 'slow',
      delayMs: 2_500,
      times: 1,
    });
    const service = await stage.start();
    const created = await service.scim('POST', '/Users', oktaUser(person(1)));
    await expect
      .poll(() => stage.sandbox.state.ledger().some(({ method, abandoned }) => method === 'POST' && abandoned), {
        timeout: 60_000,
      })
      .toBe(true);
    expect(stage.sandbox.state.customers()).toEqual([]);
    expect(
      (await service.scim('PATCH', `/Users/${created.body.id}`, patch({ op: 'replace', value: { active: false } }))).status,
    ).toBe(200);
    await service.settled(60_000);
    expect(stage.sandbox.state.customers()).toHaveLength(1);
    expect(stage.sandbox.state.subscriptions().map(({ state }) => state)).toEqual(['canceled']);
  });
});
