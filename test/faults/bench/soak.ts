/**
 * Owns `npm run soak`: random histories for as long as asked, a live line of progress, a summary, exit code 1 when an invariant was violated.
 * A seed that failed is printed with the command that replays it, its evidence is kept under `var/soak`, and it joins regressions.json, which `npm test` replays.
 *
 *   npm run soak -- --minutes 30                 as many as fit into half an hour
 *   npm run soak -- --histories 100 --from 1     seeds 1 to 100
 *   npm run soak -- --seed 4711                  one again
 *   npm run soak -- --minutes 5 --kinds kill-worker,maxio-late
 *   npm run soak -- --people 8 --steps 6 --faults 3   how many people, steps of each, and faults at most
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { INVARIANTS } from './checker.ts';
import { FAULT_NAMES, type FaultName } from './fault-kinds.ts';
import { type HistoryResult, keepEvidence, runHistory } from './history.ts';

const REGRESSIONS = new URL('./regressions.json', import.meta.url);

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    histories: { type: 'string' },
    from: { type: 'string' },
    seed: { type: 'string' },
    kinds: { type: 'string' },
    people: { type: 'string' },
    steps: { type: 'string' },
    faults: { type: 'string' },
    groups: { type: 'boolean' },
    'no-record': { type: 'boolean', default: false },
  },
});

function kindsOf(text: string | undefined): FaultName[] | undefined {
  if (text === undefined) return undefined;
  const wrong = text.split(',').filter((name) => !(FAULT_NAMES as string[]).includes(name));
  if (wrong.length === 0) return text.split(',') as FaultName[];
  console.error(`--kinds does not know ${wrong.join(', ')}. There are: ${FAULT_NAMES.join(', ')}.`);
  process.exit(64);
}

const kinds = kindsOf(values.kinds);
const size = {
  ...(values.people === undefined ? {} : { people: Number(values.people) }),
  ...(values.steps === undefined ? {} : { steps: Number(values.steps) }),
  ...(values.faults === undefined ? {} : { faultsMax: Number(values.faults) }),
  ...(values.groups === undefined ? {} : { groups: values.groups }),
};
const endMs = values.minutes === undefined ? Number.POSITIVE_INFINITY : performance.now() + Number(values.minutes) * 60_000;
const most =
  values.seed !== undefined ? 1 : Number(values.histories ?? (values.minutes === undefined ? 10 : Number.POSITIVE_INFINITY));
const totals = { histories: 0, acks: 0, unknown: 0, calls: 0, violations: 0 };
const faults = new Map<string, number>();
const statuses = new Map<string, number>();
const failed: number[] = [];

function count(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}

function sum(result: HistoryResult): void {
  const { acks, ledger } = result.evidence;
  totals.histories += 1;
  totals.acks += acks.filter(({ status }) => status !== 'unknown' && status < 300).length;
  totals.unknown += acks.filter(({ status }) => status === 'unknown').length;
  totals.calls += ledger.length;
  totals.violations += result.violations.length;
  for (const fault of result.story.slice(1)) count(faults, fault);
  for (const { status } of acks) count(statuses, String(status));
}

function replayOf(seed: number): string {
  const extra = [
    ...(values.kinds === undefined ? [] : [`--kinds ${values.kinds}`]),
    ...(values.people === undefined ? [] : [`--people ${values.people}`]),
    ...(values.steps === undefined ? [] : [`--steps ${values.steps}`]),
    ...(values.faults === undefined ? [] : [`--faults ${values.faults}`]),
    ...(values.groups === undefined ? [] : ['--groups']),
  ];
  return ['npm run soak --', `--seed ${seed}`, ...extra].join(' ');
}

function tell(result: HistoryResult): void {
  const { seed, violations, story } = result;
  console.log(`\nseed ${seed}: ${story.join(', ')}`);
  for (const { invariant, person, evidence: seen } of violations) {
    console.log(`  ${invariant}${person === undefined ? '' : `, person ${person}`}: ${seen}`);
  }
  for (const invariant of new Set(violations.map((each) => each.invariant))) {
    console.log(`  ${invariant} says: ${INVARIANTS[invariant]}`);
  }
  console.log(`  evidence: ${keepEvidence(result)}\n  again:    ${replayOf(seed)}`);
}

/** Keeps a seed for good. */
function remember({ seed, violations }: HistoryResult): void {
  if (values['no-record']) return;
  const known = JSON.parse(readFileSync(REGRESSIONS, 'utf8')) as { seed: number }[];
  if (known.some((each) => each.seed === seed)) return;
  const why = [...new Set(violations.map(({ invariant }) => invariant))].join(', ');
  const entry = { seed, why, ...(kinds === undefined ? {} : { kinds }), ...size };
  writeFileSync(REGRESSIONS, `${JSON.stringify([...known, entry], undefined, 2)}\n`);
}

function progress(seed: number): void {
  const { histories, acks, calls, violations } = totals;
  const line = `${histories} histories, ${acks} acknowledged, ${calls} calls to Maxio, ${violations} violations; now seed ${seed}`;
  if (process.stdout.isTTY) process.stdout.write(`\r${line.padEnd(110)}`);
  else console.log(line);
}

const first = Number(values.seed ?? values.from ?? Math.floor(Math.random() * 1_000_000_000));
for (let i = 0; i < most && performance.now() < endMs; i += 1) {
  const seed = first + i;
  progress(seed);
  const result = await runHistory({ seed, ...(kinds === undefined ? {} : { kinds }), ...size });
  sum(result);
  if (result.violations.length > 0) {
    failed.push(seed);
    tell(result);
    remember(result);
  }
}

const listed = (map: Map<string, number>): string =>
  [...map]
    .sort()
    .map(([name, times]) => `${name} ${times}`)
    .join(', ');
console.log(`\n${totals.histories} histories, seeds ${first} to ${first + totals.histories - 1}`);
console.log(`${totals.acks} acknowledged, ${totals.unknown} without an answer, ${totals.calls} calls to Maxio`);
console.log(`answers: ${listed(statuses)}`);
console.log(`faults: ${listed(faults)}`);
console.log(failed.length === 0 ? 'no violation' : `${totals.violations} violations, seeds ${failed.join(', ')}`);
process.exit(failed.length === 0 ? 0 : 1);
