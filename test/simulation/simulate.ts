/**
 * Owns the run over many histories: options, threads, the progress line, and the report of what was violated, shrunk, with the command that replays it.
 * Refuses to judge a history (play.ts).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type History, historyOf, told } from './history.ts';
import { play } from './play.ts';
import { shrink } from './shrink.ts';

/** Histories that a thread plays between two words to the progress line. */
const BATCH = 50;
const FAILURES_SHOWN_MAX = 5;

interface Batch {
  seeds: number[];
}

interface Played {
  histories: number;
  events: number;
  failed: number[];
}

export async function simulate(main: URL): Promise<void> {
  if (!isMainThread) return await playBatches();
  const { values } = parseArgs({
    options: {
      histories: { type: 'string', default: '1000' },
      seed: { type: 'string' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      replay: { type: 'string' },
    },
  });
  if (values.replay !== undefined) return await replay(JSON.parse(readFileSync(values.replay, 'utf8')) as History);
  const first = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed);
  const histories = Number(values.histories);
  const jobs = Number(values.jobs);
  if (![first, histories, jobs].every((value) => Number.isSafeInteger(value) && value >= 0) || jobs < 1) {
    throw new RangeError('--histories, --seed and --jobs are whole numbers');
  }
  console.log(
    `${histories} histories, seeds ${first} to ${first + histories - 1}; again: npm run simulate -- --histories ${histories} --seed ${first}`,
  );
  const failed = await playAll(main, { first, histories, jobs });
  for (const seed of failed.slice(0, FAILURES_SHOWN_MAX)) await explain(seed);
  if (failed.length === 0) return;
  console.log(`${failed.length} of ${histories} histories violate an invariant; seeds ${failed.join(', ')}`);
  process.exitCode = 1;
}

async function playAll(
  main: URL,
  { first, histories, jobs }: { first: number; histories: number; jobs: number },
): Promise<number[]> {
  const startedMs = Date.now();
  const sum: Played = { histories: 0, events: 0, failed: [] };
  let next = first;
  const batch = (): Batch | undefined => {
    const seeds = Array.from({ length: Math.min(BATCH, first + histories - next) }, (_, i) => next + i);
    next += seeds.length;
    return seeds.length === 0 ? undefined : { seeds };
  };
  const line = (): string => {
    const perMinute = Math.round((sum.histories * 60_000) / Math.max(1, Date.now() - startedMs));
    return `${sum.histories} of ${histories} histories, ${sum.failed.length} with violations, ${perMinute} a minute, ${sum.events} events`;
  };
  const thread = async (): Promise<void> => {
    const worker = new Worker(main, { workerData: 'simulation' });
    try {
      for (let work = batch(); work !== undefined; work = batch()) {
        const played = await new Promise<Played>((resolve, reject) => {
          worker.once('message', resolve).once('error', reject);
          worker.postMessage(work);
        });
        worker.removeAllListeners('error');
        sum.histories += played.histories;
        sum.events += played.events;
        sum.failed.push(...played.failed);
        if (process.stdout.isTTY) process.stdout.write(`\r${line()} `);
        else if (sum.histories % 5_000 < BATCH) console.log(line());
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: jobs }, thread));
  console.log(`${process.stdout.isTTY ? '\r' : ''}${line()}`);
  return sum.failed.sort((a, b) => a - b);
}

/** The work of a thread. */
async function playBatches(): Promise<void> {
  const port = parentPort;
  if (port === null || workerData !== 'simulation') throw new Error('this is no thread of the simulation');
  port.on('message', ({ seeds }: Batch) => {
    const sum: Played = { histories: 0, events: 0, failed: [] };
    const all = async (): Promise<void> => {
      for (const seed of seeds) {
        const { violations, turns } = await play(historyOf(seed));
        sum.histories += 1;
        sum.events += turns;
        if (violations.length > 0) sum.failed.push(seed);
      }
      port.postMessage(sum);
    };
    all().catch((error: unknown) => {
      queueMicrotask(() => {
        throw error;
      });
    });
  });
}

/** Shrink a history that fails, and tell it as short as it can be told. */
async function explain(seed: number): Promise<void> {
  const { history, violations } = await shrink(historyOf(seed));
  const file = join(tmpdir(), `simulation-${seed}.json`);
  writeFileSync(file, JSON.stringify(history));
  console.log(`\nseed ${seed}, shrunk to ${history.events.length} events; again: npm run simulate -- --replay ${file}`);
  console.log(told(history).join('\n'));
  for (const { invariant, person, evidence } of violations) {
    console.log(`  violates ${invariant}${person === undefined ? '' : ` for person ${person}`}: ${evidence}`);
  }
}

async function replay(history: History): Promise<void> {
  const { violations, evidence } = await play(history);
  console.log(told(history).join('\n'));
  for (const { arrivedMs, method, path, status, applied, fault } of evidence?.ledger ?? []) {
    console.log(
      `  Maxio ${arrivedMs} ${method} ${path} ${status ?? 'no answer'}${applied ? ', took effect' : ''}${fault ? `, ${fault}` : ''}`,
    );
  }
  for (const { atMs, user, generation, entry } of evidence?.audit ?? []) {
    console.log(`  audit ${atMs} ${user.slice(0, 8)} generation ${generation} ${JSON.stringify(entry)}`);
  }
  for (const { invariant, person, evidence: seen } of violations)
    console.log(`violates ${invariant}, person ${person ?? '-'}: ${seen}`);
  if (violations.length > 0) process.exitCode = 1;
}
