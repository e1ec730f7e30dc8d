/**
 * Holds the simulation's models against a real Redis: whatever the directory, the runs, the guard and the budget ask of it, in random order, the modelled
 * keyspace and the translated Lua give the same answers and keep the same data. Both are handed the same clock. The seed is printed by fast-check.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Holds } from '../../src/directory/holds.ts';
import { type Lease, Runs } from '../../src/directory/runs.ts';
import { SiteModes } from '../../src/directory/site-mode.ts';
import { Store } from '../../src/directory/store.ts';
import { SurveyIndex } from '../../src/directory/survey-index.ts';
import { createUsers } from '../../src/directory/users.ts';
import type { Recovery } from '../../src/directory/witness.ts';
import { Budget, type Lane } from '../../src/maxio/budget.ts';
import { shaped } from '../simulation/connection.ts';
import { Keyspace } from '../simulation/keyspace.ts';
import { compileLua, type Reply } from '../simulation/lua.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const SITE = { key: 'us.acme', region: 'us', subdomain: 'acme' };
const PREFIX = `scim:{${SITE.key}}:`;
const CLOCK = `${PREFIX}testClock`;
const TIME = "redis.call('TIME')";

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
  redis = server.connect();
});
afterAll(() => server.stop());

type Call = (...args: (string | number)[]) => Promise<unknown>;

/** A connection that gives every command to both, compares the answers, and goes on with the real one. */
class Mirror {
  nowMs = 1_790_000_000_123;
  readonly compared = new Map<string, number>();
  readonly model = new Keyspace(() => this.nowMs);
  readonly redis: Redis;
  /** Scripts under way: a look that nobody waits for is one, too. */
  readonly #underWay = new Set<Promise<unknown>>();
  /** What comparisons have found, also where the caller swallows errors. */
  readonly #wrong: unknown[] = [];

  constructor() {
    const scripts = new Map<string, Call>();
    const define = (name: string, { lua }: { lua: string }): void => {
      // Both read the clock that this test sets.
      const timed = lua.replaceAll(TIME, `redis.call('HMGET', '${CLOCK}', 's', 'us')`);
      const [script, command] = [compileLua(lua), `mirror_${name}`];
      redis.defineCommand(command, { numberOfKeys: 1, lua: timed });
      const real = (redis as unknown as Record<string, Call>)[command];
      const both: Call = async (...args) => {
        const answer = await real?.call(redis, ...args);
        this.#compare(name, answer, this.model.script(script, [String(args[0])], args.slice(1)));
        return answer;
      };
      scripts.set(name, async (...args) => await this.#followed(both(...args)));
    };
    const command = (name: string): Call => {
      return async (...args) => {
        if (name === 'time') return this.model.command('TIME');
        const words = args.flatMap((each) => (typeof each === 'object' ? Object.entries(each).flat() : [each])) as (
          | string
          | number
        )[];
        const answer =
          name === 'eval'
            ? await redis.eval(String(words[0]), 1, ...words.slice(2))
            : await (redis as unknown as { call: Call }).call(name, ...words);
        const modelled =
          name === 'eval'
            ? this.model.script(compileLua(String(words[0])), [String(words[2])], words.slice(3))
            : this.model.command(name, ...words);
        this.#compare(name, answer, modelled);
        return answer;
      };
    };
    const pipeline = (): unknown => {
      const work: (() => Promise<unknown>)[] = [];
      const chain: unknown = new Proxy(
        {},
        {
          get: (_target, name: string) =>
            name === 'exec'
              ? async () => {
                  const replies: [null, unknown][] = [];
                  for (const one of work) replies.push([null, await one()]);
                  return replies;
                }
              : (...args: (string | number)[]) => {
                  work.push(async () => await command(name)(...args));
                  return chain;
                },
        },
      );
      return chain;
    };
    this.redis = new Proxy(
      {},
      {
        get: (_target, name: string) => {
          if (name === 'then') return undefined;
          if (name === 'defineCommand') return define;
          if (name === 'pipeline') return pipeline;
          return name.startsWith('run_') ? scripts.get(name) : command(name);
        },
      },
    ) as Redis;
  }

  async #followed(work: Promise<unknown>): Promise<unknown> {
    this.#underWay.add(work);
    try {
      return await work;
    } catch (error) {
      this.#wrong.push(error);
      throw error;
    } finally {
      this.#underWay.delete(work);
    }
  }

  /** Wait for what nobody waits for. @throws what a comparison of a script has found since */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
    if (this.#wrong.length > 0) throw this.#wrong[0];
  }

  async setClock(ms: number): Promise<void> {
    const before = this.model.keys(PREFIX);
    this.nowMs = ms;
    const after = new Set(this.model.keys(PREFIX));
    // What has expired on this clock has not on that of the server.
    for (const key of before) if (!after.has(key)) await redis.del(key);
    await redis.hset(CLOCK, 's', Math.floor(ms / 1_000), 'us', (ms % 1_000) * 1_000);
  }

  #compare(name: string, real: unknown, reply: Reply): void {
    const modelled = shaped(name, reply);
    this.compared.set(name, (this.compared.get(name) ?? 0) + 1);
    // Hashes and sets list what they hold in no particular order.
    const [a, b] = UNORDERED.has(name) ? [sorted(modelled), sorted(real)] : [modelled, real];
    expect(comparable(a), name).toEqual(comparable(b));
  }

  /** Everything that is kept, on both sides. */
  async compareAll(): Promise<void> {
    const kept: Record<string, unknown> = {};
    for (const key of (await redis.keys(`${PREFIX}*`)).sort()) if (key !== CLOCK) kept[key] = await dump(key);
    expect(comparable(this.model.dump())).toEqual(comparable(kept));
  }
}

const UNORDERED = new Set(['smembers', 'hvals']);

function sorted(list: unknown): unknown {
  return Array.isArray(list) ? list.map(String).sort() : list;
}

async function dump(key: string): Promise<unknown> {
  switch (await redis.type(key)) {
    case 'hash':
      return await redis.hgetall(key);
    case 'set':
      return (await redis.smembers(key)).sort();
    case 'zset': {
      const flat = await redis.zrange(key, '0', '-1', 'WITHSCORES');
      return Array.from({ length: flat.length / 2 }, (_, i) => ({ member: flat[2 * i], score: Number(flat[2 * i + 1]) }));
    }
    case 'list':
      return await redis.lrange(key, 0, -1);
    case 'stream':
      return await redis.xrange(key, '-', '+');
    default:
      return await redis.get(key);
  }
}

/** cjson writes the fields of an object in no particular order, and hashes list theirs in none. */
function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable);
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, comparable(each)]));
  if (typeof value !== 'string' || !/^[{[]/.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

const person = fc.nat(3);
const act = fc.oneof(
  { weight: 16, arbitrary: fc.record({ act: fc.constantFrom('create', 'rename', 'leave', 'return', 'delete', 'list'), person }) },
  {
    weight: 12,
    arbitrary: fc.record({
      act: fc.constantFrom(
        'lease',
        'release',
        'end',
        'abandon',
        'begin',
        'record',
        'settle',
        'postpone',
        'park',
        'retry',
        'replan',
      ),
      person,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ act: fc.constantFrom('approve', 'reject', 'sweep', 'backlog', 'story', 'state', 'count'), person }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      act: fc.constantFrom('look', 'proceed', 'proceed', 'declare', 'lose', 'replace', 'set-back', 'fill'),
      person,
    }),
  },
  { weight: 4, arbitrary: fc.record({ act: fc.constantFrom('observe', 'enforce'), person }) },
  {
    weight: 16,
    arbitrary: fc.record({
      act: fc.constantFrom('take', 'answered', 'unknown', 'throttled', 'failed', 'unsent', 'peek', 'probe'),
      person,
    }),
  },
  { weight: 12, arbitrary: fc.record({ act: fc.constantFrom('wait', 'wait-long', 'wait-very-long', 'clock-back'), person }) },
);

/** Every script that the simulation runs. */
const SCRIPTS =
  `meet witness proceed commit count_active lease_take lease_give record_step finish sweep retry replan tell decide_hold guard_state set_mode index_look
  budget_take budget_release budget_peek budget_fill budget_probe`.split(/\s+/);

const WAITS: Record<string, number> = { wait: 37, 'wait-long': 4_100, 'wait-very-long': 3_000_000, 'clock-back': -900 };
const AFTER_LOSS: (Recovery | undefined)[] = ['rebuilding', 'rebuilt', undefined, undefined];
const LANES: Lane[] = ['urgent', 'normal', 'background'];

class Play {
  readonly mirror = new Mirror();
  readonly #store = new Store(this.mirror.redis, SITE.key, {
    backlogLimit: 3,
    guard: { floor: 1, hourPercent: 30, dayPercent: 60, revenuePercent: 50, calmSeconds: 0 },
  });
  readonly #runs = new Runs(this.#store, { leaseMs: 1e12 });
  readonly #holds = new Holds(this.#store);
  readonly #modes = new SiteModes(this.mirror.redis, SITE.key);
  readonly #index = new SurveyIndex(this.#store);
  readonly #users = createUsers({ store: this.#store, site: SITE, onCommitted: () => {} });
  readonly #limits = { callsPerWindow: 9, windowSeconds: 7.3, concurrency: 2, unknownOutcomeSeconds: 0.8 };
  readonly #budget = new Budget(this.mirror.redis, PREFIX, this.#limits, { nowMs: () => this.mirror.nowMs });
  readonly #ids = new Map<number, string>();
  readonly #leases = new Map<string, Lease>();
  readonly #slots: string[] = [];
  #count = 0;

  async begin(): Promise<void> {
    await redis.flushall();
    await this.mirror.setClock(this.mirror.nowMs);
    await this.#modes.meet('1', 'enforce');
    await this.#store.witness.look();
  }

  async step({ act: what, person: who }: { act: string; person: number }): Promise<void> {
    const waitMs = WAITS[what];
    if (waitMs !== undefined) return await this.mirror.setClock(this.mirror.nowMs + waitMs);
    this.#count += 1;
    const refused = await (
      this.#asIdp(what, who) ??
      this.#asWorker(what, who) ??
      this.#asOperator(what, who) ??
      this.#asMisfortune(what, who) ??
      this.#asCaller(what, who)
    )?.catch((error: Error) => error);
    // 404, 409 and a full backlog are answers, too; what a comparison finds is not.
    if (refused instanceof Error && !['ScimError', 'DirectoryUnavailable'].includes(refused.name)) throw refused;
    if (refused instanceof Error && refused.cause instanceof Error && refused.cause.name === 'AssertionError')
      throw refused.cause;
    await this.mirror.idle();
  }

  #asIdp(what: string, who: number): Promise<unknown> | undefined {
    const id = this.#ids.get(who) ?? 'nobody';
    const context = { requestId: `request-${this.#count}`, actor: 'test' };
    const patch = (path: string, value: unknown): Promise<unknown> =>
      this.#users.patch(
        id,
        { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations: [{ op: 'replace', path, value }] } as never,
        context,
      );
    switch (what) {
      case 'create': {
        const userName = `person${who}@example.com`;
        const body = {
          schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
          userName,
          externalId: `x${who}`,
          active: true,
          emails: [{ value: userName }],
        };
        return this.#users.create(body, context).then((record) => this.#ids.set(who, record.id));
      }
      case 'rename':
        return patch('name.familyName', `Name${this.#count}`);
      case 'leave':
        return patch('active', false);
      case 'return':
        return patch('active', true);
      case 'delete':
        return this.#users.remove(id, context);
      case 'list':
        return this.#store.page(0, 10);
      default:
        return undefined;
    }
  }

  #asWorker(what: string, who: number): Promise<unknown> | undefined {
    const id = this.#ids.get(who) ?? 'nobody';
    const foreign = { id, key: `${PREFIX}lease:${id}`, token: 'somebody else', unfinished: 0, abandoned: false };
    const lease = this.#leases.get(id) ?? foreign;
    const audit = { kind: 'run', what: 'test', requestId: `request-${this.#count}` } as const;
    const finish = async (outcome: 'settled' | 'postponed' | 'parked', waitMs?: number): Promise<unknown> => {
      const record = await this.#store.read(id);
      const generation = (record?.generation ?? 1) - (this.#count % 3 === 0 ? 1 : 0);
      return await this.#runs.finish(lease, {
        generation,
        run: { outcome, attempts: 0 },
        audit,
        ...(waitMs === undefined ? {} : { waitMs }),
      });
    };
    switch (what) {
      case 'lease':
        return this.#runs.lease(id).then((taken) => taken && this.#leases.set(id, taken));
      case 'release':
      case 'end':
        return this.#runs.release(lease, what === 'end').then(() => this.#leases.delete(id));
      case 'abandon':
        // As when the time of a lease runs out.
        return this.mirror.redis.del(lease.key).then(() => this.#leases.delete(id));
      case 'begin':
        return this.#runs.begin(id);
      case 'record': {
        const subscriptions = [{ id: String(this.#count), origin: 'created' as const, state: 'active', monthlyCents: 100 * who }];
        const link = { customerId: '7', origin: 'created' as const, confirmed: {}, subscriptions };
        return this.#runs.recordStep(lease, { generation: 1, link, open: [], audit });
      }
      case 'settle':
        return finish('settled');
      case 'postpone':
        return finish('postponed', 2_000);
      case 'park':
        return finish('parked');
      case 'retry':
        return this.#runs.retry(id, audit);
      case 'replan':
        return this.#runs.replan({ id, generation: 1 }, undefined, audit);
      default:
        return undefined;
    }
  }

  #asOperator(what: string, who: number): Promise<unknown> | undefined {
    const id = this.#ids.get(who) ?? 'nobody';
    const order = { by: 'ann', requestId: `order-${this.#count}` };
    switch (what) {
      case 'approve':
      case 'reject':
        return this.#holds.decide(id, what, order);
      case 'observe':
      case 'enforce':
        return this.#modes.set(what, order);
      case 'sweep':
        return this.#runs.sweepable(3_000, 2, { everybody: who % 2, leavers: 0 });
      case 'backlog':
        return this.#runs.backlog();
      case 'count':
        return this.mirror.redis.hdel(`${PREFIX}guard`, 'activeCounted').then(() => this.#store.countActive());
      case 'story':
        return this.#runs.tell(id, 1, { kind: 'run', what: 'told' }).then(() => this.#runs.story(id));
      case 'state':
        return Promise.all([this.#holds.state(), this.#index.look('x1', ['person1@example.com'])]);
      default:
        return undefined;
    }
  }

  /** What befalls the data itself, and what is done about it. */
  #asMisfortune(what: string, who: number): Promise<unknown> | undefined {
    const { witness } = this.#store;
    const { redis: both } = this.mirror;
    switch (what) {
      case 'look':
        return witness.look();
      case 'proceed':
        return witness.proceed(witness.standing.recovery, AFTER_LOSS[who], { kind: 'operator', what: 'test' } as never);
      case 'declare':
        return witness.declare(who % 2 === 0 ? 'lost' : 'restored', 'ann');
      case 'lose':
        return both
          .del(`${PREFIX}site`, `${PREFIX}mode`, `${PREFIX}auditClock`, `${PREFIX}audit`)
          .then(() => this.#modes.meet('1', 'enforce'));
      case 'replace':
        return both.hset(`${PREFIX}site`, 'epoch', `another-${this.#count}`);
      case 'set-back':
        return both
          .del(`${PREFIX}audit`)
          .then(() => both.hset(`${PREFIX}auditClock`, 'seq', String(Math.max(0, witness.standing.seq - who))));
      default:
        return undefined;
    }
  }

  #asCaller(what: string, who: number): Promise<unknown> | undefined {
    const slot = this.#slots.at(-1 - (who % 2)) ?? 'none';
    switch (what) {
      case 'take': {
        const fences =
          who === 3 ? [{ key: `${PREFIX}mode`, field: 'mode', equals: 'enforce' }, ...this.#store.witness.fences()] : [];
        const notes = who === 3 ? [{ key: `${PREFIX}note`, field: 'open', value: '[{"sentAtMs":"$now"}]' }] : [];
        return this.#budget
          .take({ lane: LANES[who % 3] ?? 'normal', fences, notes })
          .then((taken) => taken.granted && this.#slots.push(taken.slot));
      }
      case 'answered':
      case 'unknown':
      case 'failed':
      case 'unsent':
        return this.#budget.release(slot, what);
      case 'throttled':
        return this.#budget.release(slot, what, who === 0 ? undefined : who * 700);
      case 'peek':
        return this.#budget.peek();
      case 'fill':
        return this.#budget.fill();
      case 'probe':
        return this.#budget.probeNow(who < 2 ? 'throttled' : 'failing');
      default:
        return undefined;
    }
  }
}

test('random work on the directory, the guard, the runs and the budget: the models answer and keep what a real Redis does', async () => {
  const realUuid = crypto.randomUUID;
  const compared = new Map<string, number>();
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 40, maxLength: 120, size: 'max' }), async (acts) => {
        let count = 0;
        const counted = (): number => {
          count += 1;
          return count;
        };
        crypto.randomUUID = () => `00000000-0000-4000-8000-${String(counted()).padStart(12, '0')}`;
        syncBuiltinESMExports();
        const play = new Play();
        await play.begin();
        for (const [at, each] of acts.entries()) {
          await play.step(each);
          if (at % 10 === 0) await play.mirror.compareAll();
        }
        await play.mirror.compareAll();
        for (const [name, count] of play.mirror.compared) compared.set(name, (compared.get(name) ?? 0) + count);
      }),
      { numRuns: 200 },
    );
  } finally {
    crypto.randomUUID = realUuid;
    syncBuiltinESMExports();
  }
  for (const name of SCRIPTS) expect(compared.get(`run_${name}`) ?? 0, name).toBeGreaterThan(0);
}, 120_000);

test('patterns of Lua match as in a real Redis', async () => {
  const subjects = ['{"kind":"gone","atMs":1790000000123}', 'one.two', 'one', 'a.b-c $1', '', '::1'];
  for (const pattern of ['"atMs":(%d+)', '^(%w+)%.?(%w*)$', '%.(%w+)$', 'b%-c', '%$%d', '^%w+', '.', '(.)$']) {
    const lua = `local a, b = string.match(ARGV[1], '${pattern}')\nreturn { a or 'none', b or 'none' }`;
    for (const subject of subjects) {
      const model = new Keyspace(() => 0).script(compileLua(lua), ['k'], [subject]);
      expect(model, `${pattern} in ${subject}`).toEqual(await redis.eval(lua, 1, 'k', subject));
    }
  }
});
