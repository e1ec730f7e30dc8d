/**
 * Guarantees of the whole service over random histories of many people, on a virtual clock: real directory, plan, worker, sweep and budget code, the real Lua,
 * models of Redis, BullMQ and Maxio, and the checker of the fault bench. `npm run simulate -- --histories 100000` plays more of them.
 * The seeds are printed; `npm run simulate -- --histories 1 --seed S` shrinks the history of a seed and tells it.
 */
import { createHash } from 'node:crypto';
import { expect, test, vi } from 'vitest';
import type { Evidence } from '../faults/bench/evidence.ts';
import { type History, type HistoryEvent, historyOf, PLAIN, told } from '../simulation/history.ts';
import { PLANTED } from '../simulation/planted.ts';
import { type Failure, play } from '../simulation/play.ts';
import regressions from '../simulation/regressions.json' with { type: 'json' };
import { shrink } from '../simulation/shrink.ts';

vi.mock('bullmq', async () => await import('../simulation/bullmq.ts'));

/** Words of the audit trail. */
const EVERYTHING = [
  ...['create', 'patch', 'replace', 'delete', 'revive', 'mode', 'held', 'tripped', 'trip-ended', 'approve-leave', 'reject-leave'],
  ...[
    'create-with-subscription',
    'update-customer',
    'cancel',
    'reactivate',
    'hold',
    'resume',
    'delay-cancel',
    'undo-delayed-cancel',
  ],
  ...['look-up-customer', 'list-subscriptions', 'found', 'absent', 'no answer', 'throttled'],
  ...['budget', 'blocked', 'slots', 'grace', 'calm', 'unknown-outcome', 'unavailable', 'unauthorized'],
];

/** Where something is broken on purpose, nothing else may be. */
function expectSound(violations: Failure[]): void {
  expect(violations.filter(({ invariant }) => invariant === 'defect')).toEqual([]);
}

async function clean(history: History): Promise<Evidence | undefined> {
  const { violations, evidence } = await play(history);
  expect(violations, `seed ${history.seed}\n${told(history).join('\n')}`).toEqual([]);
  return evidence;
}

test('120 fixed histories end without a violation, and come by everything that the service can do', async () => {
  const met = new Set<string>();
  for (let seed = 1; seed <= 120; seed += 1) {
    for (const { entry } of (await clean(historyOf(seed)))?.audit ?? [])
      for (const word of [entry.what, entry.reason, entry.result]) met.add(String(word));
  }
  expect([...met]).toEqual(expect.arrayContaining(EVERYTHING));
}, 120_000);

test('30 histories that nobody has seen before end without a violation', async () => {
  const first = Date.now() % 1_000_000_000;
  console.log(`simulation: seeds ${first} to ${first + 29}`);
  for (let seed = first; seed < first + 30; seed += 1) await clean(historyOf(seed));
}, 120_000);

for (const { name, history } of regressions as { name: string; history: History }[]) {
  test(`regression: ${name}`, async () => void (await clean(history)), 60_000);
}

test('F35: back while the cancel is on its way: it is told, undone, and nothing is violated', async () => {
  const write = { kind: 'write', person: 0, replica: 0, impatient: true } as const;
  const slow = { kind: 'maxio', fault: 'slow', calls: 1, writesOnly: true, lateMs: 5_000 } as const;
  const events: HistoryEvent[] = [
    { atMs: 500, ...write, verb: 'create' },
    { atMs: 9_000, ...slow },
    { atMs: 9_100, ...write, verb: 'deactivate' },
    { atMs: 11_000, ...write, verb: 'activate' },
  ];
  const evidence = await clean({ seed: 1, settings: PLAIN, events });
  expect(evidence?.audit.map(({ entry }) => entry.what)).toContain('cancel raced');
});

test('the data becomes other data under everybody at work: no write reaches Maxio any more until somebody releases the site', async () => {
  let after = 0;
  for (let seed = 1; seed <= 40; seed += 1) {
    // Nobody stands still, and nobody releases the site by chance, between the grant of a call and the loss.
    const { events, settings } = historyOf(seed);
    const calm = events.filter(({ kind }) => kind === 'write' || kind === 'read');
    let lostMs = 0;
    const { evidence, violations } = await play(
      { seed, settings, events: calm },
      {
        meddle: ({ clock, server }) => {
          lostMs = clock.nowMs;
          server.keyspace.command('HSET', 'scim:{us.acme}:site', 'epoch', 'of somebody else');
        },
      },
    );
    expectSound(violations);
    const audit = evidence?.audit ?? [];
    expect(audit.map(({ entry }) => entry.what)).toContain('site-lost');
    const releasedMs =
      audit.find(({ atMs, entry }) => entry.mode === 'enforce' && atMs > lostMs)?.atMs ?? Number.POSITIVE_INFINITY;
    // What was granted before may be on its way for a moment.
    const written = (evidence?.ledger ?? []).filter(({ method, arrivedMs }) => method !== 'GET' && arrivedMs > lostMs + 1_000);
    expect(
      written.filter(({ arrivedMs }) => arrivedMs < releasedMs),
      `seed ${seed}`,
    ).toEqual([]);
    if (Number.isFinite(releasedMs)) after += calm.filter(({ atMs }) => atMs > 11_000).length;
  }
  expect(after).toBeGreaterThan(100);
}, 120_000);

test('a seed is a history: played twice it ends the same to the last call', async () => {
  const digest = async (): Promise<string> => {
    const { evidence, turns } = await play(historyOf(17));
    return createHash('sha256')
      .update(JSON.stringify([turns, evidence]))
      .digest('hex');
  };
  expect(await digest()).toBe(await digest());
});

for (const { bug, invariant, sabotage, events } of PLANTED) {
  test(`planted: ${bug}: ${invariant} is named`, async () => {
    for (let seed = 1; seed <= 80; seed += 1) {
      const history = events === undefined ? historyOf(seed) : { seed, settings: PLAIN, events };
      const { violations } = await play(history, sabotage);
      expectSound(violations);
      if (violations.some((violation) => violation.invariant === invariant)) return;
    }
    throw new Error(`80 histories, and ${invariant} was never named`);
  }, 120_000);
}

test('a history that fails is shrunk to a few events that still fail', async () => {
  const sabotage = PLANTED.find(({ invariant }) => invariant === 'I8')?.sabotage ?? {};
  let seed = 1;
  while ((await play(historyOf(seed), sabotage)).violations[0]?.invariant !== 'I8') seed += 1;
  const long = historyOf(seed);
  const { history, violations } = await shrink(long, sabotage);
  expect(violations[0]?.invariant).toBe('I8');
  expect(history.events.length).toBeLessThanOrEqual(5);
  expect((await play(history, sabotage)).violations[0]?.invariant).toBe('I8');
}, 120_000);
