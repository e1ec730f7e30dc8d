/**
 * The commit of a change is cut short wherever it can be: the replica dies while the command lies in the socket of a Redis that stands still, while half of it is
 * on its way, or before it has left; or the connection goes before the answer. What Redis holds then is all of the change or nothing. Real processes, real Redis.
 */
import { afterEach, expect, test } from 'vitest';
import { oktaUser, person } from '../support/people.ts';
import { RedisProxy } from '../support/redis-proxy.ts';
import type { Service } from '../support/service.ts';
import { useStage } from '../support/stage.ts';
import { until } from '../support/until.ts';

const PREFIX = 'scim:{us.acme}:';
const stage = useStage({ env: { MAXIO_PRODUCT_HANDLE: 'pro', SCIM_IDP: 'okta' } });
const NEWCOMER = person(2);
/** Two processes start in a test, beside others. */
const PATIENCE = { timeout: 90_000 };

let proxy: RedisProxy | undefined;
afterEach(async () => {
  await proxy?.stop();
  proxy = undefined;
});

/** A replica behind a proxy. It has committed once already, so that Redis knows the script and the next commit is one command. */
async function replica(): Promise<{ api: Service; between: RedisProxy }> {
  const between = await RedisProxy.start(stage.redis.url);
  proxy = between;
  const api = await stage.start({ ROLE: 'api', REDIS_URL: between.url });
  expect((await api.scim('POST', '/Users', oktaUser(person(1)))).status).toBe(201);
  return { api, between };
}

/** That of the test is one. */
async function connections(): Promise<number> {
  return String(await stage.commands.client('LIST'))
    .trim()
    .split('\n').length;
}

/** Everything that a commit of a newcomer adds one of. */
async function parts(): Promise<Record<string, number>> {
  const { commands } = stage;
  const keys = async (name: string): Promise<number> => (await commands.keys(`${PREFIX}${name}:*`)).length;
  // The first contact with Maxio, at the same time, is about nobody.
  const audit = (await commands.xrange(`${PREFIX}audit`, '-', '+')).filter(
    ([, fields]) => fields[fields.indexOf('subject') + 1] !== '',
  );
  return {
    records: await keys('user'),
    stories: await keys('story'),
    externalIds: await keys('externalId'),
    addresses: await keys('email'),
    userNames: await commands.hlen(`${PREFIX}userNames`),
    references: await commands.hlen(`${PREFIX}references`),
    ordered: await commands.zcard(`${PREFIX}order`),
    active: await commands.scard(`${PREFIX}active`),
    dirty: await commands.zcard(`${PREFIX}dirty`),
    audited: audit.length,
  };
}

/** How much more there is of each part. */
async function added(before: Record<string, number>): Promise<Record<string, number>> {
  const now = await parts();
  return Object.fromEntries(Object.entries(before).map(([name, count]) => [name, (now[name] ?? 0) - count]));
}

async function ofEach(count: number): Promise<Record<string, number>> {
  return Object.fromEntries(Object.keys(await parts()).map((name) => [name, count]));
}

/** The identity provider repeats itself: whoever is there already is there whole, so work begins for them without it (F04). */
async function expectOneOfEach(at: Service, again: number, before: Record<string, number>): Promise<void> {
  const status = await until('Redis is found again', async () => {
    const answer = await at.scim('POST', '/Users', oktaUser(NEWCOMER));
    return answer.status === 429 ? undefined : answer.status;
  });
  expect(status).toBe(again);
  expect(await added(before)).toEqual(await ofEach(1));
}

interface Moment {
  when: string;
  /** What the command carries at which things stop. */
  at: string;
  /** Whether Redis stands still when it gets the command, comes to stand still when it has done it, or never does. */
  frozen: 'before' | 'after' | 'never';
  /** How much of the command still goes to Redis. */
  share: number;
  stored: 0 | 1;
}

const { userName } = NEWCOMER;
const MOMENTS: Moment[] = [
  { when: 'before it leaves, Redis standing still', at: 'userNames', frozen: 'before', share: 1, stored: 0 },
  { when: 'when half of it has left', at: userName, frozen: 'never', share: 0.5, stored: 0 },
  { when: 'when it lies in the socket of a Redis that stands still', at: userName, frozen: 'before', share: 1, stored: 1 },
  { when: 'when Redis has done it and stands still, the answer on its way', at: userName, frozen: 'after', share: 1, stored: 1 },
];

test.each(MOMENTS)('F02 kill -9 of a replica while it commits, $when: all of it or nothing', PATIENCE, async (moment) => {
  const { api, between } = await replica();
  const before = await parts();
  const reached = Promise.withResolvers<void>();
  between.stopAt(moment.at, async () => {
    if (moment.frozen === 'before') stage.redis.freeze();
    // No answer comes through from here on.
    else between.stall();
    reached.resolve();
    return moment.share;
  });
  const reply = api.scim('POST', '/Users', oktaUser(NEWCOMER)).then(
    ({ status }) => status,
    () => 'reset',
  );
  try {
    await reached.promise;
    if (moment.frozen === 'after') {
      await until('Redis has done it', async () => (await stage.commands.zcard(`${PREFIX}dirty`)) === 2);
      stage.redis.freeze();
    }
    await api.kill();
  } finally {
    stage.redis.thaw();
    between.heal();
  }
  expect(['reset', 429], 'nothing is acknowledged').toContain(await reply);
  await until('Redis has read all that the dead one has sent, and its end', async () => (await connections()) === 1);
  expect(await added(before)).toEqual(await ofEach(moment.stored));
  await expectOneOfEach(await stage.start({ ROLE: 'api' }), moment.stored === 1 ? 409 : 201, before);
});

test(
  'F02 the connection is cut before the answer to a commit: no acknowledgement, and all of it is there',
  PATIENCE,
  async () => {
    const { api, between } = await replica();
    const before = await parts();
    between.cutBeforeReply(NEWCOMER.userName);
    const { status } = await api.scim('POST', '/Users', oktaUser(NEWCOMER));
    expect(status).toBe(429);
    expect(between.cuts).toBe(1);
    expect(await added(before)).toEqual(await ofEach(1));
    await expectOneOfEach(api, 409, before);
  },
);
