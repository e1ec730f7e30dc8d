/**
 * Requests that arrive in another order than they were sent: a network, or a retry of what timed out, brings an older one after a newer one.
 * What holds is stated by the service itself (no versions are offered), and what was received last is what Maxio gets last. Two replicas, real Redis, the sandbox.
 */
import { describe, expect, test } from 'vitest';
import { oktaUser, patch, person } from '../support/people.ts';
import { SCIM_TOKEN } from '../support/service.ts';
import { useStage } from '../support/stage.ts';
import { until } from '../support/until.ts';

const stage = useStage({ env: { MAXIO_PRODUCT_HANDLE: 'pro', SCIM_IDP: 'entra' } });

const rename = (familyName: string) => patch({ op: 'Replace', path: 'name.familyName', value: familyName });
const setActive = (active: boolean) => patch({ op: 'Replace', path: 'active', value: active });

describe('an older request that arrives after a newer one', () => {
  test('F39 what was received last wins, at both replicas and at Maxio, and Maxio never sees the two in another order', async () => {
    const [one, other] = [await stage.start(), await stage.start({ ROLE: 'api' })];
    const id = String((await one.scim('POST', '/Users', oktaUser(person(1)))).body.id);
    await one.settled();
    // The first is at work at Maxio, and slow, when the second is received elsewhere.
    stage.sandbox.state.setFault({ match: { method: 'PUT', contains: 'Newer' }, kind: 'slow', delayMs: 60_000, times: 1 });
    expect((await one.scim('PATCH', `/Users/${id}`, rename('Newer'))).status).toBe(200);
    await until('the newer one is at Maxio', () =>
      stage.sandbox.state.ledger().some(({ method, finishedMs }) => method === 'PUT' && finishedMs === null),
    );
    expect((await other.scim('PATCH', `/Users/${id}`, rename('Older'))).status).toBe(200);
    stage.sandbox.state.release();
    await one.settled();
    for (const replica of [one, other])
      expect((await replica.scim('GET', `/Users/${id}`)).body).toMatchObject({ name: { familyName: 'Older' } });
    expect(stage.sandbox.state.customers()).toMatchObject([{ last_name: 'Older' }]);
    const sent = stage.sandbox.state.ledger().filter(({ method }) => method === 'PUT');
    expect(sent.map(({ body }) => (body as { customer: { last_name: string } }).customer.last_name)).toEqual(['Newer', 'Older']);
  });

  test('F39 a late deactivation of somebody who is back is a deactivation: it is canceled once, and the next word brings it back', async () => {
    const service = await stage.start();
    const id = String((await service.scim('POST', '/Users', oktaUser(person(1)))).body.id);
    for (const active of [false, true, false]) {
      await service.settled();
      expect((await service.scim('PATCH', `/Users/${id}`, setActive(active))).status).toBe(200);
    }
    await service.settled();
    expect(stage.sandbox.state.subscriptions().map(({ state }) => state)).toEqual(['canceled']);
    expect((await service.scim('PATCH', `/Users/${id}`, setActive(true))).status).toBe(200);
    await service.settled();
    expect(stage.sandbox.state.subscriptions().map(({ state }) => state)).toEqual(['active']);
  });

  test('F39 a change that names the version it was made from is refused with 412 once another has come, and changes nothing', async () => {
    const service = await stage.start();
    const created = await service.scim('POST', '/Users', oktaUser(person(1)));
    const version = created.headers.get('etag');
    expect(created.body.meta).toMatchObject({ version });
    const path = `/Users/${String(created.body.id)}`;
    const change = async (familyName: string): Promise<Response> =>
      await fetch(`${service.url}/scim/v2${path}`, {
        method: 'PATCH',
        headers: {
          authorization: `Bearer ${SCIM_TOKEN}`,
          'content-type': 'application/scim+json',
          'if-match': version ?? '',
        },
        body: JSON.stringify(rename(familyName)),
      });
    expect((await change('Changed')).status).toBe(200);
    const late = await change('Late');
    expect(late.status).toBe(412);
    expect(((await late.json()) as { detail: string }).detail).not.toBe('');
    expect((await service.scim('GET', path)).body).toMatchObject({ name: { familyName: 'Changed' } });
  });
});
