/**
 * Owns the command `npm run soak`: random histories for as long as asked. Exits with 1 when a history failed, with 64 when it was called wrong or asked for none.
 * A seed that failed is printed with the command that replays it, its evidence is kept under `var/soak`, and it joins regressions.json, which `npm test` replays.
 *
 *   npm run soak -- --minutes 30                 as many as fit into half an hour
 *   npm run soak -- --histories 100 --from 1     seeds 1 to 100
 *   npm run soak -- --seed 4711                  one again
 *   npm run soak -- --minutes 5 --kinds kill-worker,maxio-late
 *   npm run soak -- --people 8 --steps 6 --faults 3   how many people, steps of each, and faults at most
 *   npm run soak -- --histories 1 --each         every kind of fault in each history
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { FAULT_NAMES, type FaultName, ORDINARY_FAULTS } from './fault-kinds.ts';
import { type HistoryOptions, keepEvidence, runHistory } from './history.ts';
import { soak } from './soaking.ts';

const REGRESSIONS = new URL('./regressions.json', import.meta.url);
const WRONG_CALL = 64;
const HISTORIES = 10;

function refuse(words: string): never {
  console.error(words);
  process.exit(WRONG_CALL);
}

function readOptions() {
  try {
    return parseArgs({
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
        each: { type: 'boolean' },
        'no-record': { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    return refuse(String(error));
  }
}

const values = readOptions();

function whole(name: 'histories' | 'from' | 'seed' | 'people' | 'steps' | 'faults', least = 0): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least) return value;
  return refuse(`--${name} is a whole number from ${least}, and not ${JSON.stringify(text)}.`);
}

function readMinutes(): number | undefined {
  if (values.minutes === undefined) return undefined;
  const value = Number(values.minutes);
  if (Number.isFinite(value) && value > 0) return value;
  return refuse(`--minutes is a number above 0, and not ${JSON.stringify(values.minutes)}.`);
}

function readKinds(): FaultName[] | undefined {
  if (values.kinds === undefined) return undefined;
  const names = values.kinds.split(',');
  const wrong = names.filter((name) => !(FAULT_NAMES as string[]).includes(name));
  if (wrong.length === 0) return names as FaultName[];
  return refuse(`--kinds does not know ${wrong.join(', ')}. There are: ${FAULT_NAMES.join(', ')}.`);
}

const minutes = readMinutes();
const histories = whole('histories', 1);
const seed = whole('seed');
const first = seed ?? whole('from') ?? Math.floor(Math.random() * 1_000_000_000);
const [people, steps, faultsMax] = [whole('people', 1), whole('steps', 1), whole('faults', 1)];
const { groups, each } = values;
const kinds = readKinds();
const options: Omit<HistoryOptions, 'seed'> = {
  ...(kinds === undefined ? {} : { kinds }),
  ...(people === undefined ? {} : { people }),
  ...(steps === undefined ? {} : { steps }),
  ...(faultsMax === undefined ? {} : { faultsMax }),
  ...(groups === undefined ? {} : { groups }),
  ...(each === undefined ? {} : { each }),
};

function replayOf(one: number): string {
  const extra = [
    ...(values.kinds === undefined ? [] : [`--kinds ${values.kinds}`]),
    ...(values.people === undefined ? [] : [`--people ${values.people}`]),
    ...(values.steps === undefined ? [] : [`--steps ${values.steps}`]),
    ...(values.faults === undefined ? [] : [`--faults ${values.faults}`]),
    ...(groups === true ? ['--groups'] : []),
    ...(each === true ? ['--each'] : []),
  ];
  return ['npm run soak --', `--seed ${one}`, ...extra].join(' ');
}

/** With its kinds: a kind that is added later must not make another history of it. */
function remember(one: number, why: string): void {
  if (values['no-record']) return;
  const known = JSON.parse(readFileSync(REGRESSIONS, 'utf8')) as HistoryOptions[];
  if (known.some((entry) => entry.seed === one)) return;
  const entry = { seed: one, why, kinds: ORDINARY_FAULTS, ...options };
  writeFileSync(REGRESSIONS, `${JSON.stringify([...known, entry], undefined, 2)}\n`);
}

const endMs = minutes === undefined ? Number.POSITIVE_INFINITY : performance.now() + minutes * 60_000;
const soaked = await soak({
  first,
  most: seed === undefined ? (histories ?? (minutes === undefined ? HISTORIES : Number.POSITIVE_INFINITY)) : 1,
  hasTime: () => performance.now() < endMs,
  run: async (one) => await runHistory({ seed: one, ...options }),
  replayOf,
  remember,
  keepEvidence,
});
if (soaked.histories === 0) refuse('No history was played, so nothing is known: ask for more time.');
process.exit(soaked.failed.length === 0 ? 0 : 1);
