/**
 * Owns the run over many histories: options, threads, the progress line, and the report of what was violated, shrunk, with the command that replays it.
 * Exits with 1 when a history failed, with 64 when it was called wrong; a history that ends its thread has failed, and the others are played all the same.
 * Refuses to judge a history (play.ts).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type History, historyOf, told } from './history.ts';
import { type Failure, play } from './play.ts';
import { shrink } from './shrink.ts';

/** Histories that a thread is given at once. */
const BATCH = 10;
const FAILURES_SHOWN_MAX = 5;
const WRONG_CALL = 64;

interface Batch {
  seeds: number[];
}

/** What a thread says of each history. */
interface Played {
  seed: number;
  events: number;
  failed: boolean;
}

interface Failed {
  seed: number;
  /** Why the thread that played it is no more; it cannot be shrunk without ending this one too. */
  died?: string;
}

export async function simulate(main: URL): Promise<void> {
  if (!isMainThread) return playBatches();
  const { histories: text, seed, jobs: threads, replay: file } = readOptions();
  if (file !== undefined) return await replay(JSON.parse(readFileSync(file, 'utf8')) as History);
  const first = seed === undefined ? Date.now() % 1_000_000_000 : whole('seed', seed, 0);
  const histories = whole('histories', text, 1);
  const jobs = whole('jobs', threads, 1);
  console.log(
    `${histories} histories, seeds ${first} to ${first + histories - 1}; again: npm run simulate -- --histories ${histories} --seed ${first}`,
  );
  const failed = await playAll(main, { first, histories, jobs });
  for (const { seed: one, died } of failed.slice(0, FAILURES_SHOWN_MAX)) {
    if (died === undefined) await explain(one);
    else console.log(`\nseed ${one} ended the thread that played it: ${died}\n  again: ${again(one)}`);
  }
  if (failed.length === 0) return;
  const seeds = failed.map(({ seed: one }) => one).join(', ');
  console.log(`${failed.length} of ${histories} histories violate an invariant or meet with a defect; seeds ${seeds}`);
  process.exitCode = 1;
}

function refuse(words: string): never {
  console.error(words);
  process.exit(WRONG_CALL);
}

function readOptions() {
  try {
    return parseArgs({
      options: {
        histories: { type: 'string', default: '1000' },
        seed: { type: 'string' },
        jobs: { type: 'string', default: String(availableParallelism()) },
        replay: { type: 'string' },
      },
    }).values;
  } catch (error) {
    return refuse(String(error));
  }
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least) return value;
  return refuse(`--${name} is a whole number from ${least}, and not ${JSON.stringify(text)}.`);
}

function again(seed: number): string {
  return `npm run simulate -- --histories 1 --seed ${seed}`;
}

async function playAll(
  main: URL,
  { first, histories, jobs }: { first: number; histories: number; jobs: number },
): Promise<Failed[]> {
  const startedMs = Date.now();
  const sum = { histories: 0, events: 0, failed: [] as Failed[] };
  let next = first;
  const batch = (): number[] => {
    const seeds = Array.from({ length: Math.min(BATCH, first + histories - next) }, (_, i) => next + i);
    next += seeds.length;
    return seeds;
  };
  const line = (): string => {
    const perMinute = Math.round((sum.histories * 60_000) / Math.max(1, Date.now() - startedMs));
    return `${sum.histories} of ${histories} histories, ${sum.failed.length} failed, ${perMinute} a minute, ${sum.events} events`;
  };
  const thread = async (): Promise<void> => {
    let worker = new Worker(main, { workerData: 'simulation' });
    for (let seeds = batch(); seeds.length > 0; ) {
      const { played, died } = await playOn(worker, seeds);
      for (const { seed, events, failed } of played) {
        sum.events += events;
        if (failed) sum.failed.push({ seed });
      }
      sum.histories += played.length;
      seeds = seeds.slice(played.length);
      const [deadly] = seeds;
      if (died !== undefined && deadly !== undefined) {
        sum.histories += 1;
        sum.failed.push({ seed: deadly, died });
        seeds = seeds.slice(1);
        worker = new Worker(main, { workerData: 'simulation' });
      }
      if (process.stdout.isTTY) process.stdout.write(`\r${line()} `);
      else if (sum.histories % 5_000 < BATCH) console.log(line());
      if (seeds.length === 0) seeds = batch();
    }
    await worker.terminate();
  };
  await Promise.all(Array.from({ length: jobs }, thread));
  console.log(`${process.stdout.isTTY ? '\r' : ''}${line()}`);
  return sum.failed.sort((a, b) => a.seed - b.seed);
}

/** Lets a thread play these, one after the other. @returns what it said, and why it ended, if it did before the last */
async function playOn(worker: Worker, seeds: number[]): Promise<{ played: Played[]; died?: string }> {
  const played: Played[] = [];
  const died = await new Promise<string | undefined>((resolve) => {
    let words: string | undefined;
    worker.on('message', (one: Played) => {
      played.push(one);
      if (played.length === seeds.length) resolve(undefined);
    });
    worker.once('error', (error: unknown) => {
      words = wordsOf(error);
    });
    worker.once('exit', (code) => resolve(words ?? `it exited with ${code}`));
    const batch: Batch = { seeds };
    worker.postMessage(batch);
  });
  for (const event of ['message', 'error', 'exit']) worker.removeAllListeners(event);
  return { played, ...(died === undefined ? {} : { died }) };
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** The work of a thread. */
function playBatches(): void {
  const port = parentPort;
  if (port === null || workerData !== 'simulation') throw new Error('this is no thread of the simulation');
  port.on('message', ({ seeds }: Batch) => {
    const all = async (): Promise<void> => {
      for (const seed of seeds) {
        const { violations, turns } = await play(historyOf(seed));
        // What a history has left behind it may still break.
        await new Promise((resolve) => setImmediate(resolve));
        const played: Played = { seed, events: turns, failed: violations.length > 0 };
        port.postMessage(played);
      }
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
  for (const violation of violations) console.log(`  ${failureLine(violation)}`);
}

function failureLine({ invariant, person, evidence }: Failure): string {
  if (invariant === 'defect') return `meets with a defect: ${evidence}`;
  return `violates ${invariant}${person === undefined ? '' : ` for person ${person}`}: ${evidence}`;
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
  for (const violation of violations) console.log(failureLine(violation));
  if (violations.length > 0) process.exitCode = 1;
}
