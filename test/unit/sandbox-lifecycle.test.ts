/**
 * Owns the proof that subscriptions end, pause and come back in the sandbox as Maxio's documentation and live tests say,
 * each refusal in its own spelling. Refuses to test what time does by itself (sandbox-clock.test.ts).
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type SandboxApi, startSandbox } from '../support/sandbox-api.ts';

let api: SandboxApi;
beforeAll(async () => {
  api = await startSandbox();
});
beforeEach(() => api.sandbox.state.reset());
afterAll(() => api.sandbox.close());

const DAY = 86_400;

describe('cancel', () => {
  test('answers 200 with the canceled subscription and changes nothing else', async () => {
    const before = await api.subscription();
    const reply = await api.del(`/subscriptions/${before.id}.json`);
    expect(reply.status).toBe(200);
    const { state, updated_at, canceled_at, cancellation_method, reason_code, ...rest } = reply.body.subscription;
    expect({ state, cancellation_method, reason_code }).toEqual({
      state: 'canceled',
      cancellation_method: 'merchant_api',
      reason_code: 'CH:Unknown',
    });
    expect(canceled_at).toBe(updated_at);
    expect(before).toMatchObject(rest);
  });

  test('keeps the message and the reason', async () => {
    const { id } = await api.subscription();
    const reply = await api.del(`/subscriptions/${id}.json`, {
      subscription: { cancellation_message: 'left', reason_code: 'CHURN' },
    });
    expect(reply.body.subscription).toMatchObject({ cancellation_message: 'left', reason_code: 'CHURN' });
  });

  test('refuses a reason and a message that are too long', async () => {
    const { id } = await api.subscription();
    const reply = await api.del(`/subscriptions/${id}.json`, {
      subscription: { cancellation_message: 'x'.repeat(65_536), reason_code: 'x'.repeat(256) },
    });
    expect([reply.status, reply.body.errors]).toEqual([
      422,
      ['reason_code size cannot be greater than 255', 'cancellation_message size cannot be greater than 65535'],
    ]);
    expect(api.sandbox.state.subscriptions()[0]?.state).toBe('active');
  });

  test('refuses the second time with the singular key', async () => {
    const { id } = await api.subscription();
    await api.del(`/subscriptions/${id}.json`);
    const reply = await api.del(`/subscriptions/${id}.json`);
    expect([reply.status, reply.text]).toEqual([422, '{"error":"The subscription is already canceled"}']);
  });

  test('answers 404 without a body for an unknown id, and for the cancel.json of the guides', async () => {
    const { id } = await api.subscription();
    for (const reply of [await api.del('/subscriptions/1.json'), await api.post(`/subscriptions/${id}/cancel.json`)]) {
      expect([reply.status, reply.text]).toEqual([404, '']);
    }
    expect(api.sandbox.state.subscriptions()[0]?.state).toBe('active');
  });

  test.each(['on_hold', 'past_due', 'unpaid', 'trial_ended', 'awaiting_signup_date', 'soft_failure', 'expired'])(
    'ends a subscription that is %s',
    async (state) => {
      const { id } = await api.subscription();
      api.sandbox.state.editSubscription(id, { state });
      expect((await api.del(`/subscriptions/${id}.json`)).body.subscription.state).toBe('canceled');
    },
  );

  test('takes a schedule only on sites with that feature', async () => {
    const { id } = await api.subscription();
    const body = { subscription: { cancel_at_end_of_period: true } };
    expect((await api.del(`/subscriptions/${id}.json`, body)).status).toBe(422);
    api.sandbox.state.settings({ scheduledCancellation: true });
    expect((await api.del(`/subscriptions/${id}.json`, body)).body.subscription).toMatchObject({
      state: 'active',
      cancel_at_end_of_period: true,
    });
  });
});

describe('delayed cancel', () => {
  test('is set and undone with a message each, as often as one likes', async () => {
    const { id, current_period_ends_at } = await api.subscription();
    for (let round = 0; round < 2; round += 1) {
      const reply = await api.post(`/subscriptions/${id}/delayed_cancel.json`);
      expect([reply.status, reply.body.message]).toEqual([
        200,
        'This subscription is scheduled to be canceled at the end of the current period',
      ]);
    }
    expect(api.sandbox.state.subscriptions()[0]).toMatchObject({
      state: 'active',
      cancel_at_end_of_period: true,
      delayed_cancel_at: current_period_ends_at,
    });
    for (let round = 0; round < 2; round += 1) {
      const reply = await api.del(`/subscriptions/${id}/delayed_cancel.json`);
      expect([reply.status, reply.body.message]).toEqual([200, 'This subscription will no longer be canceled']);
    }
    expect(api.sandbox.state.subscriptions()[0]).toMatchObject({ cancel_at_end_of_period: false, delayed_cancel_at: null });
  });

  test('refuses a canceled one with the plural key, a past due one, and an unknown one', async () => {
    const { id } = await api.subscription();
    api.sandbox.state.editSubscription(id, { state: 'past_due' });
    expect((await api.post(`/subscriptions/${id}/delayed_cancel.json`)).status).toBe(422);
    await api.del(`/subscriptions/${id}.json`);
    const reply = await api.post(`/subscriptions/${id}/delayed_cancel.json`);
    expect([reply.status, reply.text]).toEqual([422, '{"errors":["The subscription is already canceled"]}']);
    expect((await api.post('/subscriptions/1/delayed_cancel.json')).status).toBe(404);
    expect((await api.del('/subscriptions/1/delayed_cancel.json')).status).toBe(404);
  });
});

describe('reactivate', () => {
  test('with resume inside the period gives back what was, at no charge', async () => {
    const before = await api.subscription();
    await api.del(`/subscriptions/${before.id}.json`, { subscription: { cancellation_message: 'x' } });
    api.sandbox.state.advance(10 * DAY);
    const reply = await api.put(`/subscriptions/${before.id}/reactivate.json`, { resume: true });
    expect(reply.status).toBe(200);
    const { updated_at: _updated, ...after } = reply.body.subscription;
    expect(before).toMatchObject({ ...after, previous_state: 'active' });
    expect(after.previous_state).toBe('canceled');
  });

  test('with resume after the period starts a new one and charges', async () => {
    const { id } = await api.subscription();
    await api.del(`/subscriptions/${id}.json`);
    api.sandbox.state.advance(40 * DAY);
    const reply = await api.put(`/subscriptions/${id}/reactivate.json?resume=true`);
    expect(reply.body.subscription).toMatchObject({ state: 'active', balance_in_cents: 59_800, previous_state: 'canceled' });
    expect(Date.parse(reply.body.subscription.current_period_ends_at ?? '')).toBeGreaterThan(api.sandbox.state.now().getTime());
  });

  test('that insists on resuming is refused after the period', async () => {
    const { id } = await api.subscription();
    await api.del(`/subscriptions/${id}.json`);
    api.sandbox.state.advance(40 * DAY);
    const reply = await api.put(`/subscriptions/${id}/reactivate.json`, { resume: { require_resume: true } });
    expect([reply.status, reply.body.errors]).toEqual([
      422,
      ["Request was 'resume only', but this subscription cannot be resumed."],
    ]);
    expect(api.sandbox.state.subscriptions()[0]?.state).toBe('canceled');
  });

  test('without resume starts a new period even inside the old one', async () => {
    const { id } = await api.subscription();
    await api.del(`/subscriptions/${id}.json`);
    const reply = await api.put(`/subscriptions/${id}/reactivate.json`);
    expect(reply.body.subscription).toMatchObject({ state: 'active', balance_in_cents: 59_800, canceled_at: null });
  });

  test.each(['active', 'trialing', 'past_due', 'on_hold', 'unpaid', 'expired'])(
    'refuses a subscription that is %s',
    async (state) => {
      const { id } = await api.subscription();
      api.sandbox.state.editSubscription(id, { state });
      const reply = await api.put(`/subscriptions/${id}/reactivate.json`, { resume: true });
      expect([reply.status, reply.body.errors]).toEqual([
        422,
        ['Cannot reactivate a subscription that is not marked "Canceled" or "Trial Ended".'],
      ]);
    },
  );

  test('without a payment method is refused when money is due', async () => {
    const { id } = await api.subscription({ product_handle: 'trial', payment_collection_method: 'automatic' });
    api.sandbox.state.advance(15 * DAY);
    const reply = await api.put(`/subscriptions/${id}/reactivate.json`);
    expect([reply.status, reply.body.errors]).toEqual([422, ['No payment method was on file for the $99.00 balance']]);
    expect((await api.put(`/subscriptions/${id}/reactivate.json`, { include_trial: true })).body.subscription.state).toBe(
      'trialing',
    );
    expect((await api.put('/subscriptions/1/reactivate.json')).status).toBe(404);
  });

  test('resumes a trial that still runs as a trial', async () => {
    const { id } = await api.subscription({ product_handle: 'trial' });
    await api.del(`/subscriptions/${id}.json`);
    const reply = await api.put(`/subscriptions/${id}/reactivate.json`, { resume: true });
    expect(reply.body.subscription).toMatchObject({ state: 'trialing', balance_in_cents: 0 });
  });
});

describe('hold and resume', () => {
  test('go there and back', async () => {
    const { id, current_period_ends_at } = await api.subscription();
    const held = await api.post(`/subscriptions/${id}/hold.json`, { hold: { automatically_resume_at: '2099-01-01' } });
    expect([held.status, held.body.subscription]).toMatchObject([
      200,
      { state: 'on_hold', previous_state: 'active', automatically_resume_at: '2099-01-01T00:00:00-05:00' },
    ]);
    const changed = await api.put(`/subscriptions/${id}/hold.json`, { hold: { automatically_resume_at: null } });
    expect(changed.body.subscription).toMatchObject({ state: 'on_hold', automatically_resume_at: null });
    const resumed = await api.post(`/subscriptions/${id}/resume.json`);
    expect([resumed.status, resumed.body.subscription]).toMatchObject([
      200,
      { state: 'active', previous_state: 'on_hold', on_hold_at: null, current_period_ends_at, balance_in_cents: 29_900 },
    ]);
  });

  test('bill at once when the renewal date has passed meanwhile', async () => {
    const { id } = await api.subscription();
    await api.post(`/subscriptions/${id}/hold.json`);
    api.sandbox.state.advance(60 * DAY);
    expect(api.sandbox.state.subscriptions()[0]).toMatchObject({ state: 'on_hold', balance_in_cents: 29_900 });
    const reply = await api.post(`/subscriptions/${id}/resume.json`);
    expect(reply.body.subscription).toMatchObject({ state: 'active', balance_in_cents: 59_800 });
  });

  test('refuse the wrong state and the last day before the renewal', async () => {
    const { id } = await api.subscription();
    const resume = await api.post(`/subscriptions/${id}/resume.json`);
    expect([resume.status, resume.body.errors]).toEqual([422, ['Only subscriptions that are on hold can be resumed.']]);
    const notEligible = [422, ['This subscription is not eligible to be put on hold.']];
    const renewalMs = Date.parse(api.sandbox.state.subscriptions()[0]?.current_period_ends_at ?? '');
    api.sandbox.state.setClock(new Date(renewalMs - 3_600_000));
    const late = await api.post(`/subscriptions/${id}/hold.json`);
    expect([late.status, late.body.errors]).toEqual(notEligible);
    await api.del(`/subscriptions/${id}.json`);
    const gone = await api.post(`/subscriptions/${id}/hold.json`);
    expect([gone.status, gone.body.errors]).toEqual(notEligible);
    for (const path of ['/subscriptions/1/hold.json', '/subscriptions/1/resume.json']) {
      expect((await api.post(path)).status).toBe(404);
    }
  });
});

describe('purge', () => {
  test('answers a wrong ack with 400 and the subscription, and destroys with the right one', async () => {
    const { id, customer } = await api.subscription();
    const wrong = await api.post(`/subscriptions/${id}/purge.json?ack=1`);
    expect([wrong.status, wrong.body.subscription.id]).toEqual([400, id]);
    const right = await api.post(
      `/subscriptions/${id}/purge.json?ack=${customer?.id}&cascade[]=customer&cascade[]=payment_profile`,
    );
    expect([right.status, right.body.subscription.id]).toEqual([200, id]);
    expect((await api.get(`/subscriptions/${id}.json`)).status).toBe(404);
    expect((await api.get(`/customers/${customer?.id}.json`)).status).toBe(404);
    expect((await api.post(`/subscriptions/${id}/purge.json`)).status).toBe(404);
  });

  test('is refused on a live site', async () => {
    const live = await startSandbox({ test: false });
    const { id, customer } = await live.subscription();
    expect((await live.post(`/subscriptions/${id}/purge.json?ack=${customer?.id}`)).status).toBe(403);
    expect(live.sandbox.state.subscriptions()).toHaveLength(1);
    await live.sandbox.close();
  });
});
