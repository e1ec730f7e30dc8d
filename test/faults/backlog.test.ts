/**
 * Fifty thousand people wait for Maxio, as on the day an identity provider is connected to a large company, and the call budget lasts for a few of them: whoever
 * leaves is still served, new changes are still taken, it is told how long the rest takes, and nothing grows with the queue. Real processes, real Redis.
 */
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { digest } from '../../src/directory/keys.ts';
import { Bells } from '../../src/provisioning/queue.ts';
import { startCli } from '../support/cli.ts';
import { LIMITS } from '../support/container.ts';
import { oktaUser, patch, person } from '../support/people.ts';
import { OpsDoor } from '../support/rollout.ts';
import { OPS_TOKEN, type Service } from '../support/service.ts';
import { useStage } from '../support/stage.ts';
import { until } from '../support/until.ts';

const SITE = 'us.acme';
const PREFIX = `scim:{${SITE}}:`;
const PEOPLE = 50_000;
/** Those whose bells wait as well; the sweep rings for the others, a few hundred at a time. */
const RUNG = 3_000;
const AT_ONCE = 1_000;
const FIRST = 1;
const CALLS_PER_HOUR = 400;

const stage = useStage({
  env: { MAXIO_PRODUCT_HANDLE: 'pro', SCIM_IDP: 'okta', MAXIO_CALLS_PER_HOUR: String(CALLS_PER_HOUR) },
});

/** Puts people beside one who was committed and waits, each with what the commit wrote about that one. */
const MULTIPLY = `
  local p, template = KEYS[1], ARGV[1]
  local since = redis.call('ZSCORE', p .. 'dirty', template)
  for i = 2, #ARGV, 6 do
    local id, reference, un, xi, em, attrs = unpack(ARGV, i, i + 5)
    redis.call('COPY', p .. 'user:' .. template, p .. 'user:' .. id)
    redis.call('HSET', p .. 'user:' .. id, 'id', id, 'reference', reference, 'un', un, 'xi', xi, 'em', '["' .. em .. '"]', 'attrs', attrs, 'subject', id)
    redis.call('HSET', p .. 'references', reference, id)
    redis.call('HSET', p .. 'userNames', un, id)
    redis.call('SADD', p .. 'externalId:' .. xi, id)
    redis.call('SADD', p .. 'email:' .. em, id)
    redis.call('ZADD', p .. 'order', redis.call('INCR', p .. 'sequence'), id)
    redis.call('SADD', p .. 'active', id)
    redis.call('ZADD', p .. 'dirty', since, id)
  end`;

async function multiply(template: string): Promise<void> {
  const bells = new Bells(SITE, stage.redis.connect('queue'), pino({ enabled: false }));
  const { attrs = '' } = await stage.commands.hgetall(`${PREFIX}user:${template}`);
  const rowOf = (n: number): string[] => {
    const { userName, externalId } = person(n);
    const theirs = attrs.replaceAll(person(FIRST).userName, userName).replaceAll(person(FIRST).externalId, externalId);
    return [idOf(n), externalId, digest(userName), digest(externalId), digest(userName), theirs];
  };
  for (let from = FIRST + 1; from <= PEOPLE; from += AT_ONCE) {
    const rows = Array.from({ length: Math.min(AT_ONCE, PEOPLE - from + 1) }, (_, i) => rowOf(from + i));
    await stage.commands.eval(MULTIPLY, 1, PREFIX, template, ...rows.flat());
  }
  await Promise.all(Array.from({ length: RUNG }, (_, i) => bells.ring('normal', idOf(FIRST + 1 + i))));
  await bells.close();
}

function idOf(n: number): string {
  return `00000000-0000-5000-8000-${String(n).padStart(12, '0')}`;
}

async function memoryMiB({ url }: Service): Promise<number> {
  const answer = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${OPS_TOKEN}` } });
  const [, bytes] = /^process_resident_memory_bytes (\d+)$/m.exec(await answer.text()) ?? expect.fail('no figure of memory');
  return Number(bytes) / 1_048_576;
}

test('F65 50,000 people wait: a leaver overtakes them, changes are taken, the wait is told, and memory stays in its limit', {
  timeout: 180_000,
}, async () => {
  const [api, first] = await Promise.all([stage.start({ ROLE: 'api' }), stage.start({ ROLE: 'worker' })]);
  const join = async (n: number): Promise<string> => {
    const { status, body } = await api.scim('POST', '/Users', oktaUser(person(n)));
    expect(status).toBe(201);
    return String(body.id);
  };
  const leaver = await join(0);
  await api.settled(60_000);
  expect(stage.sandbox.state.subscriptions().map(({ state }) => state)).toEqual(['active']);
  await first.kill('SIGTERM');
  await multiply(await join(FIRST));
  expect((await api.health()).pending).toBe(PEOPLE);
  const worker = await stage.start({ ROLE: 'worker' });

  // The last twentieth is for leavers.
  const spent = async () => (await api.health()).budget.used >= 0.95 * CALLS_PER_HOUR;
  await until('creates have used up their share of the budget', spent, { timeoutMs: 60_000 });
  const references = stage.sandbox.state.customers().map(({ reference }) => reference);
  expect(references.length, 'two calls each').toBeGreaterThan(CALLS_PER_HOUR / 4);
  expect(new Set(references).size).toBe(references.length);
  const leave = patch({ op: 'replace', value: { active: false } });
  expect((await api.scim('PATCH', `/Users/${leaver}`, leave)).status).toBe(200);
  await until('the leaver is not billed any more', () => stage.sandbox.state.subscriptions()[0]?.state === 'canceled', {
    timeoutMs: 60_000,
  });
  await until('nobody who left is pending', async () => (await stage.commands.zcard(`${PREFIX}urgent`)) === 0, {
    timeoutMs: 60_000,
  });
  expect(await stage.commands.zcard(`${PREFIX}dirty`)).toBeGreaterThan(PEOPLE - CALLS_PER_HOUR);
  await join(PEOPLE + 1);

  type Status = { sites: { pending: number; pendingForSeconds: number | null }[] };
  const [site] = (await new OpsDoor(api.url, OPS_TOKEN).get<Status>('/status')).sites;
  expect(site?.pending).toBeGreaterThan(PEOPLE - CALLS_PER_HOUR);
  // Two calls each, a few hundred in an hour.
  const hours = (2 * (PEOPLE - CALLS_PER_HOUR)) / CALLS_PER_HOUR;
  expect(site?.pendingForSeconds).toBeGreaterThan(hours * 3_600);
  expect(site?.pendingForSeconds).toBeLessThan(1.2 * hours * 3_600);
  const shown = await startCli(['status'], { OPS_TOKEN, MAXIO_SCIM_URL: api.url }).ended;
  expect(shown.out).toMatch(/(49|50),\d{3} pending, done in about 1\d days/);
  for (const one of [api, worker]) expect(await memoryMiB(one)).toBeLessThan(LIMITS.memoryMiB / 2);
});
