/**
 * B55: an administrator of the identity provider who names somebody else's customer, by its reference or by its address, gets nothing of it: no field, no
 * ending, no second sale in its name. A human decides. Real process, real Redis; the truth is the ledger of the sandbox.
 */
import { expect, test, vi } from 'vitest';
import { oktaUser, patch, person } from '../support/people.ts';
import { OpsDoor } from '../support/rollout.ts';
import { OPS_TOKEN } from '../support/service.ts';
import { useStage } from '../support/stage.ts';

const WAIT = { timeout: 60_000, interval: 50 };
const stage = useStage({ env: { MAXIO_PRODUCT_HANDLE: 'pro', MAXIO_START_MODE: 'enforce', SCIM_IDP: 'okta' } });

interface Parked {
  parked: { userName: string; reason: string; detail: string }[];
}

const applied = () => stage.sandbox.state.ledger().filter(({ method, applied: done }) => method !== 'GET' && done);

test.each([
  ['by a reference made to look like theirs', { reference: person(1).externalId, email: 'boss@example.com' }],
  ['by their address, where they have no reference', { reference: null, email: person(1).userName }],
])('B55 nobody takes over a customer who is not theirs %s', async (_how, theirs) => {
  const names = { first_name: 'Bo', last_name: 'Ss' };
  stage.sandbox.state.seed({ customers: [{ ...names, ...theirs, subscriptions: [{ product_handle: 'pro', state: 'active' }] }] });
  const [before] = stage.sandbox.state.customers();
  const service = await stage.start();
  const door = new OpsDoor(service.url, OPS_TOKEN);
  if (theirs.reference === null) {
    await door.post('/survey', {});
    await vi.waitFor(async () => expect(await door.get('/survey')).toMatchObject({ state: 'done' }), WAIT);
  }
  const made = await service.scim('POST', '/Users', oktaUser(person(1)));
  expect(made.status).toBe(201);
  await vi.waitFor(async () => expect((await service.health()).parked).toBe(1), WAIT);
  const { parked } = await door.get<Parked>('/parked');
  expect(parked).toMatchObject([{ userName: person(1).userName }]);
  expect(parked[0]?.detail).toContain(String(before?.id));

  const id = String(made.body.id);
  await service.scim('PATCH', `/Users/${id}`, patch({ op: 'replace', path: 'name.familyName', value: 'Taken' }));
  await service.scim('PATCH', `/Users/${id}`, patch({ op: 'replace', path: 'active', value: false }));
  await service.scim('DELETE', `/Users/${id}`);
  await vi.waitFor(async () => expect((await service.health()).pending).toBe(0), WAIT);
  expect(applied()).toEqual([]);
  expect(stage.sandbox.state.customers()).toEqual([before]);
  expect(stage.sandbox.state.subscriptions().map(({ state }) => state)).toEqual(['active']);
});
