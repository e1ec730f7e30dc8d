/**
 * Owns bugs planted on purpose, at least one for every invariant that a simulation can judge: a script that is written a little wrong, or somebody who goes
 * around the rules. The checker must name each. Refuses to touch production code: scripts are patched on their way into the modelled Redis.
 */
import type { Invariant } from '../faults/bench/evidence.ts';
import { SimProcess } from './clock.ts';
import type { HistoryEvent, Verb } from './history.ts';
import type { Sabotage, World } from './world.ts';

export interface Planted {
  bug: string;
  invariant: Invariant;
  sabotage: Sabotage;
  /** Where chance alone would seldom come to it: a history of one person that does. */
  events?: HistoryEvent[];
}

function writes(atMs: number, verb: Verb): HistoryEvent {
  return { atMs, kind: 'write', person: 0, verb, replica: 0, impatient: true };
}

function slow(atMs: number): HistoryEvent {
  return { atMs, kind: 'maxio', fault: 'slow', calls: 1, writesOnly: false, lateMs: 8_000 };
}

/** Replaces one text of one script, which must be there. */
function rewritten(script: string, from: string, to: string): NonNullable<Sabotage['script']> {
  return (name, lua) => {
    if (name !== `run_${script}`) return lua;
    if (!lua.includes(from)) throw new Error(`the planted bug finds no "${from}" in ${script}`);
    return lua.replaceAll(from, to);
  };
}

function rogue(world: World): ReturnType<World['maxio']['client']> {
  return world.maxio.client(new SimProcess('rogue'));
}

const NOW_ZADD_DIRTY = "redis.call('ZADD', p .. 'dirty', 'NX', now, id)";

export const PLANTED: Planted[] = [
  {
    bug: 'a commit forgets the dirty mark, and the bell is lost',
    invariant: 'I1',
    sabotage: { script: rewritten('commit', NOW_ZADD_DIRTY, ''), deaf: true },
  },
  {
    bug: 'somebody sells the product to a customer of ours a second time',
    invariant: 'I2',
    sabotage: {
      meddle: (world) => {
        const customer = world.maxio.model.customers.find(({ reference }) => reference?.startsWith('external-'));
        if (customer === undefined) return;
        const sale = { productHandle: 'pro', paymentCollectionMethod: 'remittance', reference: 'twice' };
        void rogue(world).createSubscription({ ...sale, customer: { kind: 'existing', id: customer.id } }, 'token');
      },
    },
  },
  {
    bug: 'calls leave without looking at their fences',
    invariant: 'I3',
    sabotage: { script: rewritten('budget_take', 'if (held or nil) ~= fence.equals then', 'if false then') },
    // Back while the look at their subscriptions is slow to be answered.
    events: [writes(500, 'create'), slow(9_000), writes(9_100, 'deactivate'), writes(11_000, 'activate')],
  },
  {
    bug: 'a commit marks only those who stay, and the bell is lost',
    invariant: 'I4',
    sabotage: { script: rewritten('commit', 'if not kept then', 'if not kept and isActive then'), deaf: true },
  },
  {
    bug: 'the window of the budget is not looked at',
    invariant: 'I5',
    sabotage: { script: rewritten('budget_take', 'if calls.sum + 1 > q.cap then', 'if false then') },
  },
  {
    bug: 'a commit does not mind that the record has moved',
    invariant: 'I6',
    sabotage: { script: rewritten('commit', "if generation ~= change.expected then return { 'moved', generation } end", '') },
  },
  {
    bug: 'a newcomer is not entered in the index of names',
    invariant: 'I7',
    sabotage: {
      script: rewritten('commit', "if not change.deleted then redis.call('HSET', p .. 'userNames', change.un, id) end", ''),
    },
  },
  {
    bug: 'the third change of a person is acknowledged and thrown away',
    invariant: 'I8',
    sabotage: {
      script: rewritten(
        'commit',
        'local id = change.id\n',
        "local id = change.id\nif change.expected == 2 then return { 'ok', 3, 0, 0, '', '', '', '' } end\n",
      ),
    },
  },
  {
    bug: 'an answer of Maxio is recorded without an entry in the audit trail',
    invariant: 'I9',
    sabotage: { script: rewritten('record_step', "if ARGV[5] ~= '' then", 'if false then') },
  },
  {
    bug: 'the sweep finds nobody, and bells are lost',
    invariant: 'I12',
    sabotage: { script: rewritten('sweep', "~= 'enforce' then", "~= 'never' then"), deaf: true },
  },
  {
    bug: 'a subscription that is not ours is canceled',
    invariant: 'I13',
    sabotage: {
      meddle: (world) => {
        const [foreign] = world.maxio.model.subscriptions;
        if (foreign !== undefined) void rogue(world).cancelSubscription(foreign.id, 'by mistake');
      },
    },
  },
];
