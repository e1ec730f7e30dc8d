/**
 * Modes and grace on a real service: what is observed or paused stays off Maxio from the command on and through restarts, and nobody is ended before
 * their time, whatever the clock of a worker says. Real processes, a real Redis; the truth is the ledger of the sandbox.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { SiteModes } from '../../src/directory/site-mode.ts';
import { queuePrefix } from '../../src/provisioning/queue.ts';
import { oktaUser, patch, person } from '../support/people.ts';
import { OPS_TOKEN } from '../support/service.ts';
import { useStage } from '../support/stage.ts';
import { joinAll, leaveAll, setActive } from '../support/steps.ts';

const KEY = 'us.acme';
const BY = { by: 'dana', requestId: 'req-d' };

let modes: SiteModes;
const stage = useStage({ env: { MAXIO_PRODUCT_HANDLE: 'pro' } });
let queues: Queue[] = [];

beforeAll(() => {
  modes = new SiteModes(stage.commands, KEY);
  queues = ['urgent', 'normal'].map(
    (lane) => new Queue(lane, { connection: stage.redis.connect('queue'), prefix: queuePrefix(KEY) }),
  );
});
afterAll(async () => {
  await Promise.all(queues.map((queue) => queue.close()));
});

function calls(method?: string): string[] {
  const asked = stage.sandbox.state.ledger().filter((entry) => method === undefined || entry.method === method);
  return asked.map(({ method: verb, template }) => `${verb} ${template}`);
}

/** Every bell that was rung has been heard, and nobody waits for a later one. */
async function silence(): Promise<void> {
  await vi.waitFor(
    async () => {
      for (const queue of queues) {
        const counts = await queue.getJobCounts('waiting', 'active', 'delayed', 'prioritized');
        expect(Object.values(counts).reduce((a, b) => a + b)).toBe(0);
      }
    },
    { timeout: 20_000, interval: 50 },
  );
}

const FIRST_CONTACT = 'GET /site.json';

describe('observe', () => {
  test('serves SCIM in full and writes nothing at Maxio; released, everybody follows by itself', async () => {
    // Somebody without a reference, or the survey would release the site by itself while this test is slow.
    stage.sandbox.state.seed({ customers: [{ email: 'nobody@elsewhere.example' }] });
    const service = await stage.start({ MAXIO_START_MODE: 'observe' });
    await vi.waitFor(async () => expect(await modes.read()).toMatchObject({ mode: 'observe', by: 'start' }), {
      timeout: 15_000,
      interval: 25,
    });
    const created = await Promise.all([1, 2, 3].map((n) => service.scim('POST', '/Users', oktaUser(person(n)))));
    const ids = created.map(({ body }) => String(body.id));
    await leaveAll(service, ids, [3], () => 'entra');
    await silence();
    expect(await service.health()).toMatchObject({ mode: 'observe', pending: 3 });
    expect((await service.scim('GET', `/Users/${ids[0]}`)).body).toMatchObject({ active: true });
    expect(stage.sandbox.state.ledger().filter(({ method }) => method !== 'GET')).toEqual([]);
    expect(stage.sandbox.state.customers()).toHaveLength(1);

    expect(await modes.set('enforce', { ...BY, why: 'go' })).toEqual({ was: 'observe', mode: 'enforce' });
    await service.settled();
    expect(
      stage.sandbox.state
        .customers()
        .flatMap(({ reference }) => reference ?? [])
        .toSorted(),
    ).toEqual([person(1).externalId, person(2).externalId]);
    expect(await modes.read()).toMatchObject({ mode: 'enforce', by: 'dana', why: 'go', releasedAtMs: expect.any(Number) });
  });

  test('data of a release without modes goes on as before', async () => {
    const first = await stage.start({ MAXIO_START_MODE: 'observe' });
    await vi.waitFor(async () => expect(await modes.read()).toBeDefined(), { timeout: 15_000, interval: 25 });
    await first.kill();
    const commands = stage.redis.connect();
    await commands.del(`scim:{${KEY}}:mode`, `scim:{${KEY}}:guard`, `scim:{${KEY}}:active`);
    const second = await stage.start({ MAXIO_START_MODE: 'observe' });
    await vi.waitFor(async () => expect(await modes.read()).toMatchObject({ mode: 'enforce', by: 'start' }), {
      timeout: 15_000,
      interval: 25,
    });
    await joinAll(second, 1);
    expect(stage.sandbox.state.customers()).toHaveLength(1);
  });
});

describe('paused', () => {
  test('in the middle of fifty leavers: no call is granted after the command has answered, through changes and a restart', {
    timeout: 120_000,
  }, async () => {
    const service = await stage.start();
    const ids = await joinAll(service, 50);
    stage.sandbox.state.setFault({ kind: 'slow', delayMs: 60, match: { method: 'DELETE' } });
    await leaveAll(
      service,
      ids,
      ids.map((_, i) => i + 1),
      () => 'okta',
    );
    await vi.waitFor(() => expect(calls('DELETE').length).toBeGreaterThanOrEqual(5), { timeout: 15_000, interval: 10 });

    expect(await modes.set('paused', { ...BY, why: 'looks wrong' })).toEqual({ was: 'enforce', mode: 'paused' });
    const granted = stage.sandbox.state.ledger().length;
    // What was granted before the command is on its way at most four at a time; when it has arrived, nothing follows.
    await silence();
    await vi.waitFor(() => expect(stage.sandbox.state.ledger().every(({ finishedMs }) => finishedMs !== null)).toBe(true), {
      timeout: 15_000,
      interval: 25,
    });
    const ended = calls().length;
    expect(ended - granted).toBeLessThanOrEqual(4);
    expect(calls('DELETE').length, 'the pause came in the middle').toBeLessThan(50);

    for (const id of ids) await service.scim('PATCH', `/Users/${id}`, patch({ op: 'replace', path: 'title', value: 'Clerk' }));
    await silence();
    expect(calls()).toHaveLength(ended);
    await service.kill();
    const heir = await stage.start();
    await vi.waitFor(() => expect(calls()).toHaveLength(ended + 1), { timeout: 15_000 });
    expect(calls().at(-1)).toBe(FIRST_CONTACT);
    await setActive(heir, ids, 50, true, 'okta');
    await silence();
    expect(calls()).toHaveLength(ended + 1);
    expect(await heir.health()).toMatchObject({ mode: 'paused' });

    stage.sandbox.state.clearFaults();
    await modes.set('enforce', BY);
    await heir.settled(60_000);
    const states = stage.sandbox.state.subscriptions().map(({ state, customer }) => `${customer?.reference} ${state}`);
    expect(states.filter((state) => state.endsWith('active'))).toEqual([`${person(50).externalId} active`]);
    expect(calls('DELETE').length, 'nobody is canceled twice').toBeLessThanOrEqual(50);
  });

  test('set twice by the same hand changes nothing, and every change is audited with who', async () => {
    await stage.start();
    await vi.waitFor(async () => expect(await modes.read()).toMatchObject({ mode: 'enforce' }), {
      timeout: 15_000,
      interval: 25,
    });
    await modes.set('paused', BY);
    const first = await modes.read();
    expect(await modes.set('paused', BY)).toEqual({ was: 'paused', mode: 'paused' });
    expect(await modes.read()).toEqual(first);
    expect(await modes.set('enforce', { by: 'survey', onlyFrom: { mode: 'observe', by: 'start' } })).toEqual({
      was: 'paused',
      mode: 'paused',
    });
    const rows = await stage.redis.connect().xrange(`scim:{${KEY}}:audit`, '-', '+');
    const entries = rows.map(([, fields]) => JSON.parse(fields[fields.indexOf('entry') + 1] ?? '{}'));
    expect(entries.filter(({ what }) => what === 'mode')).toEqual([
      { kind: 'run', what: 'mode', mode: 'enforce', actor: 'start', why: 'first contact' },
      { kind: 'operator', what: 'mode', mode: 'paused', was: 'enforce', actor: 'dana', requestId: 'req-d' },
    ]);
  });
});

describe('grace', () => {
  const GRACE_MS = 4_000;
  const GRACE = { DEPROVISION_GRACE: String(GRACE_MS / 1_000) };
  /** Two processes on one machine read one clock at slightly different moments. */
  const SLACK_MS = 100;

  /** When the cancel arrived, after the moment of the leave as Redis has it. */
  async function waitedMs(id: string): Promise<number> {
    await vi.waitFor(() => expect(calls('DELETE')).toHaveLength(1), { timeout: 30_000, interval: 50 });
    const leftMs = Number(await stage.redis.connect().hget(`scim:{${KEY}}:user:${id}`, 'leaveAt'));
    expect(leftMs).toBeGreaterThan(0);
    return (stage.sandbox.state.ledger().find(({ method }) => method === 'DELETE')?.arrivedMs ?? 0) - leftMs;
  }

  test('F13 survives kill -9 of the worker that waits, and is not cut short by its heir', async () => {
    const doomed = await stage.start(GRACE);
    const ids = await joinAll(doomed, 1);
    await leaveAll(doomed, ids, [1], () => 'okta');
    await vi.waitFor(async () => expect(await stage.redis.connect().zcard(`scim:{${KEY}}:due`)).toBe(1), {
      timeout: 15_000,
      interval: 25,
    });
    await doomed.kill('SIGKILL');
    const heir = await stage.start(GRACE);
    expect(await waitedMs(ids[0] ?? '')).toBeGreaterThanOrEqual(GRACE_MS - SLACK_MS);
    await heir.settled();
    expect(stage.sandbox.state.subscriptions()).toMatchObject([{ state: 'canceled' }]);
  });

  test.each([1, -1])('F63 does not end early at a worker whose clock is %i h off', async (hours) => {
    const preload = `--import=data:text/javascript,const%20now=Date.now;Date.now=()=>now()+${hours * 3_600_000}`;
    const service = await stage.start({ ...GRACE, NODE_OPTIONS: preload });
    const loggedMs = Date.parse(/"time":"([^"]+)"/.exec(service.output.join(''))?.[1] ?? '');
    expect(Math.round((loggedMs - Date.now()) / 3_600_000), 'its clock really is off').toBe(hours);
    const ids = await joinAll(service, 1);
    await leaveAll(service, ids, [1], () => 'entra');
    expect(await waitedMs(ids[0] ?? '')).toBeGreaterThanOrEqual(GRACE_MS - SLACK_MS);
    await service.settled();
  });

  test('F34 back within it: no call at all', async () => {
    const service = await stage.start({ DEPROVISION_GRACE: '3600' });
    const ids = await joinAll(service, 1);
    const before = calls().length;
    for (let i = 0; i < 5; i += 1) {
      await setActive(service, ids, 1, false, 'okta');
      await setActive(service, ids, 1, true, 'okta');
    }
    await service.settled();
    expect(calls()).toHaveLength(before);
    expect(stage.sandbox.state.subscriptions()).toMatchObject([{ state: 'active' }]);
  });
});

describe('a person who comes back while the cancel is on its way', () => {
  test('F35 is brought back after the answer, and the alarm counts it', async () => {
    const service = await stage.start();
    const ids = await joinAll(service, 1);
    stage.sandbox.state.setFault({ kind: 'slow', delayMs: 1_500, match: { method: 'DELETE' } });
    await setActive(service, ids, 1, false, 'okta');
    await vi.waitFor(() => expect(calls('DELETE')).toHaveLength(1), { timeout: 15_000, interval: 10 });
    await setActive(service, ids, 1, true, 'okta');
    await service.settled();
    expect(stage.sandbox.state.subscriptions()).toMatchObject([{ state: 'active' }]);
    expect(calls('DELETE')).toHaveLength(1);
    const metrics = await (await fetch(`${service.url}/metrics`, { headers: { authorization: `Bearer ${OPS_TOKEN}` } })).text();
    expect(metrics).toContain(`scim_cancels_raced_total{site="${KEY}"} 1`);
  });
});

describe('protected people', () => {
  test('of the file are parked when they leave, and never ended', async () => {
    const file = join(stage.redis.dir, 'protected.txt');
    writeFileSync(file, `# the board\n${person(1).userName.toUpperCase()}\n${person(2).externalId}\n`);
    const service = await stage.start({ MAXIO_PROTECTED_FILE: file });
    const ids = await joinAll(service, 3);
    await leaveAll(service, ids, [1, 2, 3], (n) => (n === 2 ? 'okta' : 'entra'));
    await service.settled();
    expect(await service.health()).toMatchObject({ parked: 2, pending: 0 });
    const live = stage.sandbox.state.subscriptions().filter(({ state }) => state === 'active');
    expect(live.map(({ customer }) => customer?.reference)).toEqual([person(1).externalId, person(2).externalId]);
    await setActive(service, ids, 1, true, 'okta');
    await service.settled();
    expect((await service.health()).parked).toBe(1);
  });
});
