/**
 * SIGKILL of a real process in the middle of a bulk request: the answer is lost as a whole, so the client knows nothing of what was done, and sends the
 * request again. That must do what is missing and nothing twice. Real processes, a real Redis with `appendfsync always`, the sandbox as the witness.
 */
import { expect, test } from 'vitest';
import { oktaUser, patch, person } from '../support/people.ts';
import type { Service } from '../support/service.ts';
import { useStage } from '../support/stage.ts';

const ENV = {
  MAXIO_PRODUCT_HANDLE: 'pro',
  MAXIO_UNKNOWN_OUTCOME_SECONDS: '4',
  MAXIO_CALL_DEADLINE_SECONDS: '1',
  SCIM_IDP: 'okta',
};
const PEOPLE = [1, 2, 3, 4].map((n) => person(n));

const stage = useStage({ env: ENV });

const bulkOf = (Operations: unknown[]): Record<string, unknown> => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
  Operations,
});

function rowsOf({ status, body }: Awaited<ReturnType<Service['scim']>>): { status: string; location?: string }[] {
  expect(status, JSON.stringify(body)).toBe(200);
  return body.Operations as { status: string; location?: string }[];
}

test.each([
  ['before the third change is stored', 'before_commit:kill:3', ['409', '409', '201', '201', '200', '204']],
  ['after the third change is stored', 'after_commit:kill:3', ['409', '409', '409', '201', '200', '204']],
  ['after everything is stored', 'after_commit:kill:6', ['409', '409', '409', '409', '200', '404']],
])(
  'F01 kill -9 in the middle of a bulk request, %s: sent again, it does what is missing and nothing twice',
  async (_when, failpoint, again) => {
    const first = await stage.start();
    const [stays, leaves] = [person(8), person(9)];
    const ids = await Promise.all(
      [stays, leaves].map(async (who) => String((await first.scim('POST', '/Users', oktaUser(who))).body.id)),
    );
    await first.settled();
    await first.kill('SIGTERM');

    const request = bulkOf([
      ...PEOPLE.map((who, n) => ({ method: 'POST', path: '/Users', bulkId: `p${n}`, data: oktaUser(who) })),
      { method: 'PATCH', path: `/Users/${ids[0]}`, data: patch({ op: 'replace', path: 'name.familyName', value: 'New' }) },
      { method: 'DELETE', path: `/Users/${ids[1]}` },
    ]);
    const doomed = await stage.start({ FAILPOINT: failpoint, ROLE: 'api' });
    expect(await doomed.scim('POST', '/Bulk', request).catch(() => 'reset')).toBe('reset');
    expect((await doomed.waitForEnd()).signal).toBe('SIGKILL');

    const heir = await stage.start();
    const rows = rowsOf(await heir.scim('POST', '/Bulk', request));
    expect(rows.map(({ status }) => status)).toEqual(again);
    await heir.settled(40_000);
    const references = [...PEOPLE, stays, leaves].map(({ externalId }) => externalId);
    expect(
      stage.sandbox.state
        .customers()
        .map(({ reference }) => reference)
        .sort(),
    ).toEqual(references);
    const states = stage.sandbox.state.subscriptions().map(({ state }) => state);
    expect(states.sort()).toEqual(['active', 'active', 'active', 'active', 'active', 'canceled']);
    expect(stage.sandbox.state.customers().find(({ reference }) => reference === stays.externalId)?.last_name).toBe('New');
  },
  120_000,
);

test('F01 kill -9 between two people who refer to each other: whoever is there can be completed, and nobody is there twice', async () => {
  const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
  const managed = (n: number, by: number) => ({
    method: 'POST',
    path: '/Users',
    bulkId: `p${n}`,
    data: oktaUser(person(n), { [ENTERPRISE]: { manager: { value: `bulkId:p${by}` } } }),
  });
  const request = bulkOf([managed(1, 2), managed(2, 1)]);
  const doomed = await stage.start({ FAILPOINT: 'after_commit:kill:2', ROLE: 'api' });
  expect(await doomed.scim('POST', '/Bulk', request).catch(() => 'reset')).toBe('reset');
  expect((await doomed.waitForEnd()).signal).toBe('SIGKILL');

  const heir = await stage.start();
  expect(rowsOf(await heir.scim('POST', '/Bulk', request)).map(({ status }) => status)).toEqual(['409', '409']);
  const { body } = await heir.scim('GET', '/Users');
  const [second, one] = body.Resources as { id: string; userName: string }[];
  expect([second?.userName, one?.userName]).toEqual([person(2).userName, person(1).userName]);
  const complete = patch({ op: 'add', value: { [ENTERPRISE]: { manager: { value: one?.id } } } });
  const rows = rowsOf(
    await heir.scim('POST', '/Bulk', bulkOf([{ method: 'PATCH', path: `/Users/${second?.id}`, data: complete }])),
  );
  expect(rows.map(({ status }) => status)).toEqual(['200']);
  expect((await heir.scim('GET', `/Users/${one?.id}`)).body[ENTERPRISE]).toMatchObject({ manager: { value: second?.id } });
  expect((await heir.scim('GET', `/Users/${second?.id}`)).body[ENTERPRISE]).toMatchObject({ manager: { value: one?.id } });
  await heir.settled(40_000);
  expect(stage.sandbox.state.subscriptions().map(({ state }) => state)).toEqual(['active', 'active']);
}, 120_000);
