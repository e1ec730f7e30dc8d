/**
 * Somebody is told by the service as it runs: two replicas on one Redis, from the environment to the receivers. A guard that holds is told once by
 * one of them. A SCIM token past its last day opens nothing, and its end is a metric.
 */
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { type Hook, startHook } from '../support/hook.ts';
import { type Mailbox, startMailbox } from '../support/mailbox.ts';
import { oktaUser, person } from '../support/people.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { API_KEY, OPS_TOKEN, Service } from '../support/service.ts';

const PATIENCE = { timeout: 60_000, interval: 100 };

let redis: TestRedis;
let sandbox: Sandbox;
let hook: Hook;
let mailbox: Mailbox;
const services: Service[] = [];

beforeAll(async () => {
  redis = await startRedis({ appendfsync: 'no' });
  sandbox = await createSandbox({ apiKey: API_KEY, subdomain: 'acme' });
  hook = await startHook('/canary-path-31');
  mailbox = await startMailbox({ login: { user: 'scim', pass: 'canary-pass-31' } });
});
afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.kill()));
  await redis.flush();
});
afterAll(async () => {
  await Promise.all([sandbox.close(), hook.close(), mailbox.close(), redis.stop()]);
});

async function start(env: Record<string, string>, wait = true): Promise<Service> {
  const options = {
    redisUrl: redis.url,
    sandboxUrl: sandbox.url,
    env: {
      REDIS_DURABILITY_RELAXED: '1',
      NOTIFY_WEBHOOK_URL: hook.url,
      NOTIFY_SMTP_URL: mailbox.url,
      NOTIFY_FROM: 'scim@example.com',
      NOTIFY_TO: 'ops@example.com',
      ...env,
    },
  };
  const service = wait ? await Service.start(options) : await Service.spawn(options);
  services.push(service);
  return service;
}

test('F80 held leavers are told once by two replicas, and by the other one when the first has stopped; no log holds a secret', async () => {
  const env = {
    MAXIO_PRODUCT_HANDLE: 'pro',
    MAXIO_GUARD_FLOOR: '2',
    MAXIO_GUARD_HOUR_PERCENT: '0',
    MAXIO_GUARD_CALM_SECONDS: '60',
  };
  const [one, two] = await Promise.all([start(env), start(env)]);
  const people = await Promise.all(Array.from({ length: 8 }, (_, n) => one.scim('POST', '/Users', oktaUser(person(n)))));
  await vi.waitFor(() => expect(sandbox.state.subscriptions()).toHaveLength(8), PATIENCE);
  const leave = async (by: Service, from: number, to: number): Promise<void> => {
    for (let n = from; n < to; n += 1) {
      const gone = await by.scim('PUT', `/Users/${String(people[n]?.body.id)}`, oktaUser(person(n), { active: false }));
      expect(gone).toMatchObject({ status: 200, body: { active: false } });
    }
  };
  await leave(two, 0, 4);
  await vi.waitFor(() => expect([hook.taken.length, mailbox.mails.length]).toEqual([1, 1]), PATIENCE);
  expect(hook.taken[0]).toMatchObject({ topic: 'held', state: 'open', site: 'us.acme', test: true, severity: 'page' });
  // They leave one after the other, and are told of from the first look on.
  expect(hook.taken[0]?.who).toMatch(/^[34] people: /);
  expect(mailbox.mails[0]?.headers.subject).toMatch(/^\[maxio-scim us\.acme\] [34] leavers held \(test site\)$/);
  const told = (service: Service): boolean => service.output.join('').includes('somebody was told');
  const [teller, other] = told(one) ? [one, two] : [two, one];
  expect(told(other)).toBe(false);
  await teller.kill('SIGTERM');
  await leave(other, 4, 8);
  await vi.waitFor(() => expect([hook.taken.length, mailbox.mails.length]).toEqual([2, 2]), PATIENCE);
  expect(hook.taken[1]).toMatchObject({ topic: 'held', state: 'update' });
  expect(hook.asked).toBe(2);
  expect(sandbox.state.ledger().filter(({ method }) => method === 'DELETE')).toEqual([]);
  const logs = [one, two].map(({ output }) => output.join('')).join('');
  for (const secret of ['canary-path-31', 'canary-pass-31', 'ops@example.com']) expect(logs).not.toContain(secret);
}, 150_000);

test('a SCIM token is refused after its last day, and its end is in the metrics', async () => {
  const service = await start({ SCIM_TOKEN_EXPIRES: '2026-01-31' });
  const answer = await service.scim('GET', '/Users');
  expect(answer).toMatchObject({ status: 401, body: { detail: expect.stringContaining('expired here') } });
  expect(answer.headers.get('www-authenticate')).toContain('Bearer');
  const metrics = await fetch(`${service.url}/metrics`, { headers: { authorization: `Bearer ${OPS_TOKEN}` } });
  const text = await metrics.text();
  const end = Date.parse('2026-01-31T23:59:59.999Z') / 1_000;
  expect(text).toContain(`scim_token_expiry_timestamp_seconds{site="us.acme"} ${end}`);
  expect(text).toContain('scim_auth_failures_total{reason="expired"} 1');
});
