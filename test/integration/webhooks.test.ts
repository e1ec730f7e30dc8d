/**
 * Maxio's webhooks over raw HTTP against a running service, from our own hand and from the sandbox's delivery with its retries and replays:
 * only what is signed has an effect, once; a change by staff is reported within seconds; our own changes cost no reading.
 */
import { createHash, createHmac } from 'node:crypto';
import { describe, expect, test, vi } from 'vitest';
import { person } from '../support/people.ts';
import { RedisMonitor } from '../support/redis-monitor.ts';
import { OpsDoor } from '../support/rollout.ts';
import { API_KEY, OPS_TOKEN, type Service } from '../support/service.ts';
import { useStage } from '../support/stage.ts';
import { joinAll, setActive } from '../support/steps.ts';

const KEY = 'shared-webhook-key-4711';
const PREFIX = 'scim:{us.acme}:';
const SHA_256 = 'x-chargify-webhook-signature-hmac-sha-256';

const stage = useStage({
  env: { MAXIO_PRODUCT_HANDLE: 'pro', MAXIO_WEBHOOK_KEY: KEY, LOG_LEVEL: 'warn' },
  sandbox: { settings: { webhookKey: KEY } },
});

function hmac(body: string, key = KEY, algorithm = 'sha256'): string {
  return createHmac(algorithm, key).update(body).digest('hex');
}

function message(id: number, customerId: number, more: Record<string, string> = {}): string {
  return new URLSearchParams({
    id: String(id),
    event: 'customer_update',
    'payload[customer][id]': String(customerId),
    'payload[site][subdomain]': 'acme',
    ...more,
  }).toString();
}

async function post(
  service: Service,
  body: string,
  headers: Record<string, string>,
  path = '/maxio/webhooks/us.acme',
): Promise<number> {
  const answer = await fetch(service.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body,
  });
  await answer.arrayBuffer();
  return answer.status;
}

async function signed(service: Service, body: string): Promise<number> {
  return await post(service, body, { [SHA_256]: hmac(body) });
}

/** Everything a webhook can leave behind. */
async function left(): Promise<string[]> {
  const keys = await stage.commands.keys(`${PREFIX}*`);
  return keys.filter((key) => key.includes(':webhook:') || key.includes(':touched')).sort();
}

function customerOf(n: number): number {
  return stage.sandbox.state.customers().find(({ reference }) => reference === person(n).externalId)?.id ?? 0;
}

/** Reading calls about single customers, which is what following a webhook costs. */
function reads(since: number): string[] {
  return stage.sandbox.state
    .ledger()
    .slice(since)
    .filter(({ method, path }) => method === 'GET' && /^\/customers\/\d+/.test(path))
    .map(({ path }) => path);
}

/** First contact is a call that has nothing to do with webhooks. */
async function contact(): Promise<void> {
  await vi.waitFor(async () => expect(await stage.commands.hget(`${PREFIX}site`, 'siteId')).not.toBeNull(), { timeout: 10_000 });
}

async function waitUntilQuiet(): Promise<void> {
  await vi.waitFor(async () => expect(await stage.commands.zcard(`${PREFIX}touched`)).toBe(0), {
    timeout: 60_000,
    interval: 200,
  });
}

describe('who is believed', () => {
  test('B90 no, wrong, truncated or weaker signatures are refused and leave nothing behind', { timeout: 60_000 }, async () => {
    const service = await stage.start();
    await contact();
    const body = message(1, 4711);
    const before = stage.sandbox.state.ledger().length;
    const md5 = createHash('md5')
      .update(KEY + body)
      .digest('hex');
    const attempts: Record<string, string>[] = [
      {},
      { [SHA_256]: '' },
      { [SHA_256]: hmac(body, 'another key') },
      { [SHA_256]: hmac(body).slice(0, 63) },
      { [SHA_256]: hmac(body).toUpperCase() },
      { [SHA_256]: `${hmac(body)}, ${hmac(body)}` },
      { 'x-chargify-webhook-signature': md5 },
      { [SHA_256]: hmac(body, KEY, 'sha1') },
      { [SHA_256]: md5 },
      { authorization: `Bearer ${OPS_TOKEN}` },
    ];
    for (const headers of attempts) expect(await post(service, body, headers)).toBe(401);
    expect(await left()).toEqual([]);
    expect(stage.sandbox.state.ledger().length).toBe(before);
  });

  test('B91 a right signature of the same form written anew is refused', { timeout: 60_000 }, async () => {
    const service = await stage.start();
    const body = 'id=7&event=customer_update&payload[customer][id]=4711&payload[customer][last_name]=O%27Neil+A';
    const anew = new URLSearchParams(body).toString();
    expect(anew).not.toBe(body);
    expect(await post(service, anew, { [SHA_256]: hmac(body) })).toBe(401);
    expect(await post(service, body, { [SHA_256]: hmac(anew) })).toBe(401);
    expect(await left()).toEqual([]);
    expect(await signed(service, body)).toBe(200);
  });

  test('addresses without a door, other sites and other bodies', { timeout: 60_000 }, async () => {
    const service = await stage.start();
    const body = message(1, 4711);
    const signature = { [SHA_256]: hmac(body) };
    expect(await post(service, body, signature, '/maxio/webhooks/us.other')).toBe(404);
    expect(await post(service, body, signature, '/maxio/webhooks/constructor')).toBe(404);
    expect(await signed(service, message(2, 4711, { 'payload[site][subdomain]': 'other' }))).toBe(422);
    expect(await signed(service, message(3, 4711, { 'payload[site][id]': '999' }))).toBe(422);
    expect(await signed(service, 'event=customer_update&payload[customer][id]=1')).toBe(422);
    const large = message(4, 4711, { 'payload[customer][note]': 'x'.repeat(70_000) });
    expect(await signed(service, large)).toBe(413);
    expect(await left()).toEqual([]);
    // What Maxio sends when somebody presses "test" in its pages.
    expect(await signed(service, 'id=5&event=test&payload[chargify]=testing')).toBe(200);
    expect(await stage.commands.zcard(`${PREFIX}touched`)).toBe(0);
    const plain = await stage.start({ MAXIO_WEBHOOK_KEY: '' });
    expect(await signed(plain, body)).toBe(404);
  });

  test('B94 a flood of bogus posts is refused without touching Redis or Maxio, and a right one still counts', {
    timeout: 120_000,
  }, async () => {
    const service = await stage.start();
    await contact();
    const calls = stage.sandbox.state.ledger().length;
    const monitor = await RedisMonitor.start(stage.redis.url);
    const statuses = new Map<number, number>();
    for (let batch = 0; batch < 100; batch += 1) {
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, i) => post(service, message(batch * 50 + i, 1), { [SHA_256]: '0'.repeat(64) })),
      );
      for (const status of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    expect([...statuses.keys()].sort()).toEqual([401, 429]);
    expect(statuses.get(429)).toBeGreaterThan(4_000);
    const given = monitor.stop();
    expect(given.length).toBeGreaterThan(0);
    expect(given.filter((command) => /touchedNews|:webhook:/.test(command))).toEqual([]);
    expect(stage.sandbox.state.ledger().length).toBe(calls);
    expect(await left()).toEqual([]);
    // Amid the flood, from the same address. What is larger than Maxio's messages are is not read then.
    const wrong = (i: number): Promise<number> => post(service, message(10_000 + i, 1), { [SHA_256]: '0'.repeat(64) });
    const large = message(78, 4711, { 'payload[customer][note]': 'x'.repeat(40_000) });
    const first = await Promise.all(Array.from({ length: 40 }, (_, i) => wrong(i)));
    const amid = await Promise.all([
      signed(service, message(77, 4711)),
      ...Array.from({ length: 40 }, (_, i) => wrong(100 + i)),
      signed(service, message(79, 4711)),
    ]);
    expect(first).toContain(429);
    expect([amid[0], amid.at(-1)]).toEqual([200, 200]);
    expect(amid).toContain(429);
    await vi.waitFor(async () => expect(await signed(service, large)).toBe(200), { timeout: 30_000, interval: 250 });
  });
});

describe('what follows', () => {
  test('a change by staff is reported within seconds and B92 the same webhook has no second effect', {
    timeout: 120_000,
  }, async () => {
    const service = await stage.start();
    const door = new OpsDoor(service.url, OPS_TOKEN);
    await joinAll(service, 3);
    await look(door);
    stage.sandbox.state.listen(`${service.url}/maxio/webhooks/us.acme`);
    const before = stage.sandbox.state.ledger().length;
    stage.sandbox.state.staff({ do: 'edit-customer', id: customerOf(2), changes: { last_name: 'Changed' } });
    await vi.waitFor(
      async () => {
        const { rows } = await door.get<{ rows: unknown[] }>('/drift');
        expect(rows).toMatchObject([{ kind: 'fields-differ', userName: person(2).userName, repair: 'possible' }]);
      },
      { timeout: 20_000, interval: 200 },
    );
    await waitUntilQuiet();
    expect(reads(before)).toEqual([`/customers/${customerOf(2)}.json`, `/customers/${customerOf(2)}/subscriptions.json`]);

    // Maxio sends it again, days later and on demand; the id is the same.
    const [delivery] = stage.sandbox.state.webhooks();
    const again = await fetch(`${stage.sandbox.url}/webhooks/replay.json`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${API_KEY}:x`).toString('base64')}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ids: [delivery?.id] }),
    });
    expect(again.status).toBe(200);
    await stage.sandbox.state.deliverWebhooks();
    expect(await signed(service, delivery?.body ?? '')).toBe(200);
    expect(await stage.commands.zcard(`${PREFIX}touched`)).toBe(0);
    expect(reads(before)).toHaveLength(2);
    const lifeSeconds = await stage.commands.ttl((await left()).find((key) => key.includes(':webhook:')) ?? '');
    expect(lifeSeconds).toBeGreaterThan(89 * 24 * 3_600);
  });

  test('B93 messages in the wrong order end at what Maxio holds now', { timeout: 120_000 }, async () => {
    const service = await stage.start();
    const door = new OpsDoor(service.url, OPS_TOKEN);
    await joinAll(service, 2);
    await look(door);
    stage.sandbox.state.settings({ webhooksHeld: true, webhookOrder: 'reversed', webhookDuplicates: 1 });
    stage.sandbox.state.listen(`${service.url}/maxio/webhooks/us.acme`);
    const id = customerOf(1);
    stage.sandbox.state.staff({ do: 'edit-customer', id, changes: { last_name: 'Changed' } });
    stage.sandbox.state.staff({ do: 'edit-customer', id, changes: { last_name: 'Changed once more' } });
    stage.sandbox.state.staff({ do: 'edit-customer', id, changes: { last_name: person(1).familyName } });
    const before = stage.sandbox.state.ledger().length;
    expect(await stage.sandbox.state.deliverWebhooks()).toBeGreaterThanOrEqual(3);
    expect(await stage.commands.zcard(`${PREFIX}touched`)).toBe(1);
    await waitUntilQuiet();
    expect(reads(before)).toHaveLength(2);
    expect((await door.get<{ rows: unknown[] }>('/drift')).rows).toEqual([]);
  });

  test('a customer that cannot be read keeps nobody else waiting', { timeout: 120_000 }, async () => {
    const service = await stage.start();
    const door = new OpsDoor(service.url, OPS_TOKEN);
    await joinAll(service, 2);
    await look(door);
    const [stuck, other] = [customerOf(1), customerOf(2)];
    stage.sandbox.state.setFault({ kind: 'html-404', match: { method: 'GET', path: `^/customers/${stuck}\\.json` } });
    stage.sandbox.state.staff({ do: 'edit-customer', id: other, changes: { last_name: 'Changed' } });
    expect(await signed(service, message(1, stuck))).toBe(200);
    await vi.waitFor(() => expect(reads(0).some((path) => path.includes(`${stuck}`))).toBe(true), { timeout: 20_000 });
    expect(await signed(service, message(2, other))).toBe(200);
    await vi.waitFor(
      async () => {
        const { rows } = await door.get<{ rows: unknown[] }>('/drift');
        expect(rows).toMatchObject([{ kind: 'fields-differ', userName: person(2).userName }]);
      },
      { timeout: 30_000, interval: 200 },
    );
    expect(await stage.commands.zrange(`${PREFIX}touched`, '0', '-1')).toEqual([String(stuck)]);
  });

  test('staff who change something back themselves are no longer reported', { timeout: 120_000 }, async () => {
    const service = await stage.start();
    const door = new OpsDoor(service.url, OPS_TOKEN);
    await joinAll(service, 1);
    await look(door);
    stage.sandbox.state.listen(`${service.url}/maxio/webhooks/us.acme`);
    const kinds = async (): Promise<string[]> =>
      (await door.get<{ rows: { kind: string }[] }>('/drift')).rows.map(({ kind }) => kind);
    const rename = (last_name: string) =>
      stage.sandbox.state.staff({ do: 'edit-customer', id: customerOf(1), changes: { last_name } });
    rename('Changed');
    await vi.waitFor(async () => expect(await kinds()).toEqual(['fields-differ']), { timeout: 20_000, interval: 200 });
    rename(person(1).familyName);
    await vi.waitFor(async () => expect(await kinds()).toEqual([]), { timeout: 20_000, interval: 200 });
    const { counts } = await door.get<{ counts: object }>('/drift');
    expect(counts).toEqual({});
  });

  test('by policy a cancellation by staff is put right within seconds, once', { timeout: 120_000 }, async () => {
    const service = await stage.start({ MAXIO_DRIFT: 'repair' });
    const door = new OpsDoor(service.url, OPS_TOKEN);
    await joinAll(service, 1);
    await look(door);
    stage.sandbox.state.listen(`${service.url}/maxio/webhooks/us.acme`);
    const live = () => stage.sandbox.state.subscriptions().filter(({ state }) => state === 'active');
    const cancel = () => stage.sandbox.state.staff({ do: 'cancel-subscription', id: live()[0]?.id ?? 0 });
    cancel();
    await vi.waitFor(() => expect(live()).toHaveLength(1), { timeout: 30_000, interval: 100 });
    await service.settled();
    cancel();
    await vi.waitFor(
      async () => {
        const { rows } = await door.get<{ rows: unknown[] }>('/drift');
        expect(rows).toMatchObject([{ kind: 'active-unbilled', repair: 'contested' }]);
      },
      { timeout: 30_000, interval: 200 },
    );
    expect(live()).toHaveLength(0);
    expect(stage.sandbox.state.subscriptions()).toHaveLength(2);
  });

  test('our own creates, changes and cancels cost no reading', { timeout: 240_000 }, async () => {
    const service = await stage.start();
    const door = new OpsDoor(service.url, OPS_TOKEN);
    await look(door);
    stage.sandbox.state.listen(`${service.url}/maxio/webhooks/us.acme`);
    const before = stage.sandbox.state.ledger().length;
    const ids = await joinAll(service, 500, 60_000);
    // What a message about the create says is out of date once the person has left, and out-of-date messages are read about.
    await service.settled();
    await waitUntilQuiet();
    for (let n = 1; n <= 20; n += 1) await setActive(service, ids, n, false, 'okta');
    await service.settled();
    await waitUntilQuiet();
    const messages = stage.sandbox.state.webhooks().length;
    expect(messages).toBeGreaterThan(500);
    expect(stage.sandbox.state.webhooks().every(({ acceptedMs }) => acceptedMs !== null)).toBe(true);
    const looked = reads(before);
    // A leaver's subscriptions are listed by the plan itself, so at most one reading each; webhooks add none.
    expect(looked.filter((path) => /^\/customers\/\d+\.json$/.test(path))).toEqual([]);
    expect(looked.length).toBeLessThanOrEqual(20);
  });
});

async function look(door: OpsDoor): Promise<void> {
  await door.post('/drift');
  await vi.waitFor(async () => expect((await door.get<{ state: string }>('/drift')).state).toBe('done'), {
    timeout: 60_000,
    interval: 100,
  });
}
