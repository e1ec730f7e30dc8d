/**
 * Owns the planted bugs that prove the checker: one for each invariant in the evidence of a clean history, and one for each in a running service, made from
 * outside of it: a second writer at Maxio, a hand in Redis, somebody between the identity provider and the service. Nothing of this is in production code.
 */
import { Queue } from 'bullmq';
import { queuePrefix } from '../../../src/provisioning/queue.ts';
import type { LedgerEntry } from '../../../src/sandbox/ledger.ts';
import { API_KEY } from '../../support/service.ts';
import { until } from '../../support/until.ts';
import { type Cluster, PREFIX, SITE } from './cluster.ts';
import { SETTINGS } from './collect.ts';
import { CANARY, type Driver, personNumber } from './driver.ts';
import type { Evidence, Invariant, StoredPerson } from './evidence.ts';
import { type Patience, waitForQuiet } from './quiet.ts';

function one<T>(list: readonly T[], what: string, which: (each: T) => boolean): T {
  const found = list.find(which);
  if (found === undefined) throw new Error(`the clean history has no ${what}: choose another seed`);
  return found;
}

function anyOf(evidence: Evidence, what: string, which: (each: StoredPerson) => boolean): StoredPerson {
  return one(evidence.people, what, (each) => !each.dirty && each.customerId !== undefined && which(each));
}

export function activePerson(evidence: Evidence): StoredPerson {
  return anyOf(evidence, 'active person', ({ active, deleted }) => active && !deleted);
}

export function subscriptionOf(evidence: Evidence, { customerId }: StoredPerson): Evidence['subscriptions'][number] {
  return one(evidence.subscriptions, 'subscription of theirs', ({ customer }) => customer?.id === customerId);
}

/** A call that nobody has made, after all others. */
export function call(evidence: Evidence, made: Partial<LedgerEntry>): LedgerEntry {
  const last = one(evidence.ledger.toReversed(), 'call', () => true);
  const atMs = last.arrivedMs + 60_000;
  return {
    ...last,
    seq: last.seq + 1,
    arrivedMs: atMs,
    finishedMs: atMs,
    appliedMs: null,
    applied: false,
    inFlight: 1,
    body: {},
    ...made,
  };
}

export interface PlantedInEvidence {
  invariant: Invariant;
  bug: string;
  /** Changes a copy of clean evidence. */
  plant: (evidence: Evidence) => void;
}

export const IN_EVIDENCE: PlantedInEvidence[] = [
  {
    invariant: 'I1',
    bug: 'the last name of an active person never arrived',
    plant: (evidence) => {
      const { customerId } = activePerson(evidence);
      one(evidence.customers, 'customer', ({ id }) => id === customerId).last_name = 'Older';
    },
  },
  {
    invariant: 'I2',
    bug: 'a create was repeated',
    plant: (evidence) => {
      const { customerId } = activePerson(evidence);
      const customer = one(evidence.customers, 'customer', ({ id }) => id === customerId);
      evidence.customers.push({ ...customer, id: 1, reference: null });
    },
  },
  {
    invariant: 'I3',
    bug: 'somebody who is active is canceled',
    plant: (evidence) => {
      const { id } = subscriptionOf(evidence, activePerson(evidence));
      evidence.ledger.push(
        call(evidence, { method: 'DELETE', path: `/subscriptions/${id}.json`, template: '/subscriptions/{id}.json' }),
      );
    },
  },
  {
    invariant: 'I4',
    bug: 'somebody who has left is billed',
    plant: (evidence) => {
      const leaver = anyOf(evidence, 'leaver', ({ active, deleted }) => !active || deleted);
      subscriptionOf(evidence, leaver).state = 'active';
    },
  },
  {
    invariant: 'I5',
    bug: 'a limiter of fixed windows lets twice as many through at the edge',
    plant: (evidence) => {
      const { callsPerWindow, windowMs } = evidence.settings;
      const read = call(evidence, { method: 'GET', path: '/site.json', template: '/site.json' });
      // The window that ends there begins after every other call, so neither of the two holds too many.
      const edgeMs = (Math.ceil(read.arrivedMs / windowMs) + 1) * windowMs;
      for (let i = 0; i < 2 * callsPerWindow; i += 1) {
        const atMs = edgeMs + (i < callsPerWindow ? -1 : 0);
        evidence.ledger.push({ ...read, seq: read.seq + i, arrivedMs: atMs, finishedMs: atMs });
      }
    },
  },
  {
    invariant: 'I6',
    bug: 'an older name is sent after a newer one',
    plant: (evidence) => {
      const names = (customerId: number): string[] => [
        ...new Set(
          evidence.ledger.flatMap(({ path, body, method, template }) => {
            if (method !== 'PUT' || template !== '/customers/{id}.json' || !path.includes(`/${customerId}.json`)) return [];
            return [(body as { customer?: { last_name?: string } }).customer?.last_name ?? ''];
          }),
        ),
      ];
      const who = anyOf(evidence, 'person who was renamed twice', ({ customerId }) => names(customerId ?? 0).length > 1);
      const [older = ''] = names(who.customerId ?? 0);
      const path = `/customers/${who.customerId}.json`;
      const made = { method: 'PUT', path, template: '/customers/{id}.json', body: { customer: { last_name: older } } };
      evidence.ledger.push(call(evidence, made));
    },
  },
  {
    invariant: 'I7',
    bug: 'a replica reads from a cache',
    plant: (evidence) => {
      const read = one(evidence.acks.toReversed(), 'read', ({ kind, status }) => kind === 'read' && status === 200);
      if (read.kind === 'read' && read.seen !== 'absent') read.seen = { ...read.seen, title: 'of yesterday' };
    },
  },
  {
    invariant: 'I8',
    bug: 'an answer is given before the commit',
    plant: (evidence) => {
      const write = one(evidence.acks.toReversed(), 'write', ({ kind }) => kind === 'write');
      if (write.kind !== 'write') return;
      const { person, replica } = write;
      const atMs = write.answeredAtMs + 1;
      const change = { familyName: 'NeverStored' };
      const times = { sentAtMs: atMs, answeredAtMs: atMs };
      evidence.acks.push({
        kind: 'write',
        person,
        replica,
        ...times,
        status: 200,
        requestId: 'never',
        write: { verb: 'patch', change },
      });
    },
  },
  {
    invariant: 'I9',
    bug: 'an entry of the audit trail is removed',
    plant: (evidence) => {
      const at = evidence.audit.findIndex(({ entry }) => entry.kind === 'maxio');
      evidence.audit.splice(at, 1);
    },
  },
  {
    invariant: 'I10',
    bug: 'every change rings a bell of its own',
    plant: (evidence) => {
      const { id } = activePerson(evidence);
      for (let i = 0; i < 5; i += 1) evidence.bells.push({ lane: 'normal', userId: id });
    },
  },
  {
    invariant: 'I11',
    bug: 'an address is logged',
    plant: (evidence) => {
      evidence.texts.push({ where: 'log of worker-1', text: `{"level":"warn","msg":"no such person: ${CANARY}.1@example.com"}` });
    },
  },
  {
    invariant: 'I12',
    bug: 'somebody is forgotten by the sweep',
    plant: (evidence) => {
      activePerson(evidence).dirty = true;
    },
  },
  {
    invariant: 'I12',
    bug: 'nobody is pending, and the work never comes to rest',
    plant: (evidence) => {
      evidence.quiet = { reached: false, waitedMs: 600_000, why: 'work that goes on and on' };
    },
  },
  {
    invariant: 'I12',
    bug: 'a process does not come back after a fault',
    plant: (evidence) => {
      evidence.unmended.push('kill-worker: waited in vain: worker-1 answers /readyz with 200');
    },
  },
  {
    invariant: 'I13',
    bug: 'a stranger with the same name is taken for ours',
    plant: (evidence) => {
      const { id } = one(evidence.foreign.subscriptions, 'foreign subscription', () => true);
      const path = `/subscriptions/${id}.json`;
      evidence.ledger.push(call(evidence, { method: 'DELETE', path, template: '/subscriptions/{id}.json' }));
    },
  },
];

export interface Scene {
  cluster: Cluster;
  driver: Driver;
  /** Number of the only person. */
  person: number;
  foreign: Evidence['foreign'];
}

export interface PlantedInService {
  invariant: Invariant;
  bug: string;
  /** How quiet is waited for, where it cannot come. */
  patience?: Partial<Patience>;
  /** What stands between the identity provider and the service. */
  between?: (real: typeof fetch) => typeof fetch;
  /** One person has joined and settled. */
  act: (scene: Scene) => Promise<void>;
  undo?: (cluster: Cluster) => Promise<void> | void;
}

async function rogue({ sandbox }: Cluster, method: string, path: string, body?: object): Promise<void> {
  const authorization = `Basic ${Buffer.from(`${API_KEY}:x`).toString('base64')}`;
  const answer = await fetch(sandbox.url + path, {
    method,
    headers: { authorization, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (answer.status >= 300) throw new Error(`${method} ${path} was answered ${answer.status}: ${await answer.text()}`);
}

function theirs({ cluster, person }: Scene): { subscriptionId: number; customerId: number } {
  const { externalId } = personNumber(person);
  const found = one(cluster.sandbox.state.subscriptions(), 'subscription', ({ customer }) => customer?.reference === externalId);
  return { subscriptionId: found.id, customerId: found.customer?.id ?? 0 };
}

async function idOf({ cluster, person }: Scene): Promise<string> {
  const id = await cluster.commands.hget(`${PREFIX}references`, personNumber(person).externalId);
  if (id === null) throw new Error(`person ${person} is not stored`);
  return id;
}

/** Waits until the person has been active for longer than a call may take from its grant to Maxio. */
async function outlastGrace(scene: Scene): Promise<void> {
  const joinedMs = Number(await scene.cluster.commands.hget(`${PREFIX}user:${await idOf(scene)}`, 'modified'));
  const { sendGraceMs, slackMs } = SETTINGS;
  await until('the grace of sending is over', () => Date.now() > joinedMs + sendGraceMs + scene.cluster.lagMs + 4 * slackMs);
}

/** While nobody works, the person changes, and every trace of that work is taken away. */
async function forget(scene: Scene, step: 'rename' | 'leave'): Promise<void> {
  const { cluster, driver } = scene;
  for (const worker of cluster.workers) worker.stop();
  await driver.all(step);
  const id = await idOf(scene);
  await cluster.commands.multi().zrem(`${PREFIX}dirty`, id).zrem(`${PREFIX}urgent`, id).exec();
  // The bell follows the answer.
  await until('the bell', async () => (await cluster.commands.keys(`${PREFIX}bull:*:[0-9]*`)).length > 0);
  await cluster.commands.del(...(await cluster.commands.keys(`${PREFIX}bull:*`)));
  for (const worker of cluster.workers) worker.go();
}

export const IN_SERVICE: PlantedInService[] = [
  { invariant: 'I1', bug: 'the dirty mark is lost', act: async (scene) => await forget(scene, 'rename') },
  { invariant: 'I4', bug: 'the dirty mark of a leaver is lost', act: async (scene) => await forget(scene, 'leave') },
  {
    invariant: 'I2',
    bug: 'a second writer creates the customer again',
    act: async ({ cluster, person }) => {
      const { userName, givenName, familyName } = personNumber(person);
      await rogue(cluster, 'POST', '/customers.json', {
        customer: { email: userName, first_name: givenName, last_name: familyName },
      });
    },
  },
  {
    invariant: 'I3',
    bug: 'a second writer cancels somebody who is active, and repairs it',
    act: async (scene) => {
      const { subscriptionId } = theirs(scene);
      // Not even a call that was granted before the person joined could arrive now.
      await outlastGrace(scene);
      await rogue(scene.cluster, 'DELETE', `/subscriptions/${subscriptionId}.json`);
      await rogue(scene.cluster, 'PUT', `/subscriptions/${subscriptionId}/reactivate.json`, {});
    },
  },
  {
    invariant: 'I6',
    bug: 'a second writer brings an older name after a newer one, and repairs it',
    act: async (scene) => {
      const { cluster, driver } = scene;
      const { customerId } = theirs(scene);
      const nameNow = (): string => one(cluster.sandbox.state.customers(), 'customer', ({ id }) => id === customerId).last_name;
      const older = nameNow();
      await driver.all('rename');
      await waitForQuiet(cluster);
      const newer = nameNow();
      for (const last_name of [older, newer])
        await rogue(cluster, 'PUT', `/customers/${customerId}.json`, { customer: { last_name } });
    },
  },
  {
    invariant: 'I7',
    bug: 'a cache answers reads',
    between: (real) => {
      const kept = new Map<string, Response>();
      return async (input, init) => {
        const url = String(input);
        if (init?.method !== 'GET') return await real(input, init);
        const answer = kept.get(url) ?? (await real(input, init));
        kept.set(url, answer.clone());
        return answer;
      };
    },
    act: async ({ driver }) => {
      await driver.readAll();
      await driver.all('rename');
    },
  },
  {
    invariant: 'I8',
    bug: 'somebody on the way says yes by himself',
    between: (real) => async (input, init) => {
      if (init?.method !== 'PUT') return await real(input, init);
      return new Response(String(init.body), { status: 200, headers: { 'content-type': 'application/scim+json' } });
    },
    act: async ({ driver }) => await driver.all('rename'),
  },
  {
    invariant: 'I10',
    bug: 'bells are rung without deduplication',
    act: async (scene) => {
      const queue = new Queue('normal', { connection: scene.cluster.redis.connect('queue'), prefix: queuePrefix(SITE) });
      const userId = await idOf(scene);
      for (let i = 0; i < 4; i += 1) await queue.add('person', { site: SITE, userId }, { delay: 3_600_000 });
      await queue.close();
    },
    undo: async ({ commands }) => {
      await commands.del(...(await commands.keys(`${PREFIX}bull:*`)));
    },
  },
  {
    invariant: 'I11',
    bug: 'an index is kept by name instead of by digest',
    act: async ({ cluster, person }) => {
      await cluster.commands.set(`${PREFIX}byName:${personNumber(person).userName}`, '1');
    },
    undo: async ({ commands }) => {
      await commands.del(...(await commands.keys(`${PREFIX}byName:*`)));
    },
  },
  {
    invariant: 'I12',
    bug: 'no worker is left',
    // Fewer than it takes until the workers, who stand still, are asked.
    patience: { idleLooks: 5 },
    act: async ({ cluster, driver }) => {
      for (const worker of cluster.workers) worker.stop();
      await driver.all('rename');
    },
    undo: async (cluster) => {
      for (const worker of cluster.workers) worker.go();
      await waitForQuiet(cluster);
    },
  },
  {
    invariant: 'I13',
    bug: 'a second writer cancels a stranger',
    act: async ({ cluster, foreign }) => {
      const { id } = one(foreign.subscriptions, 'foreign subscription', () => true);
      await rogue(cluster, 'DELETE', `/subscriptions/${id}.json`);
    },
  },
  {
    invariant: 'I5',
    bug: 'a second writer uses slots past the budget',
    act: async ({ cluster }) => {
      cluster.sandbox.state.setFault({ match: { method: 'GET', path: '/site.json' }, kind: 'slow', delayMs: 300 });
      await Promise.all(Array.from({ length: 6 }, () => rogue(cluster, 'GET', '/site.json')));
      cluster.sandbox.state.clearFaults();
    },
    undo: ({ sandbox }) => sandbox.state.clearLedger(),
  },
  {
    invariant: 'I9',
    bug: 'a hand in Redis exchanges the hash of a sealed entry',
    act: async ({ cluster }) => await turnHash(cluster.commands),
    undo: async ({ commands }) => await turnHash(commands),
  },
  {
    // Last, because a gap stays.
    invariant: 'I9',
    bug: 'a hand in Redis removes an entry of the audit trail',
    act: async ({ cluster }) => {
      const rows = await cluster.commands.xrange(`${PREFIX}audit`, '-', '+');
      const row = one(rows, 'entry about Maxio', ([, fields]) => fields.some((field) => field.includes('"kind":"maxio"')));
      await cluster.commands.xdel(`${PREFIX}audit`, row[0]);
    },
  },
];

/** Twice is as before. */
async function turnHash(commands: Cluster['commands']): Promise<void> {
  const hash = (await commands.hget(`${PREFIX}auditChain`, '1')) ?? '';
  await commands.hset(`${PREFIX}auditChain`, '1', [...hash].reverse().join(''));
}
