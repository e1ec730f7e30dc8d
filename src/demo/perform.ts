/**
 * Owns one performance of the story: what is shown while it runs, when Maxio counts as caught up, and the figures at the end.
 * Refuses to claim: the table is read from the directory and the sandbox, and the calls are counted on both sides.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { App } from '../app.ts';
import type { Site } from '../app-site.ts';
import type { Fault } from '../sandbox/faults.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { createCast, type Member } from './cast.ts';
import { createKnock } from './scim-door.ts';
import type { Row, Screen } from './screen.ts';
import { NAIVE_CALLS, playStory } from './story.ts';
import { readTruth } from './truth.ts';

export interface PerformParts {
  app: App;
  sandbox: Sandbox;
  screen: Screen;
  scimUrl: string;
  token: string;
}

const LOOK_EVERY_MS = 100;
const CONVERGE_MS_MAX = 60_000;
/** Maxio takes its time, and calls overlap; so do they here, a little. */
const LATENCY = { kind: 'slow', minDelayMs: 20, maxDelayMs: 200 } as const;
/** On a terminal somebody reads along. */
const PACE_MS = 120;

/** Plays the story and shows how it ends. @throws Error when Maxio does not catch up */
export async function perform({ app, sandbox, screen, scimUrl, token }: PerformParts): Promise<void> {
  const site = app.sites[0];
  if (site === undefined) throw new Error('the demo has no site');
  rough(sandbox);
  const cast = createCast();
  const people: Member[] = Object.values(cast);
  const said = new Map<Member, string>();
  const rows = async (): Promise<Row[]> => {
    const truths = await readTruth(people, site, sandbox);
    return truths.map((truth, i) => ({ person: people[i] as Member, said: said.get(people[i] as Member) ?? '', truth }));
  };

  const { naiveCalls } = await playStory({
    cast,
    loseAnswer: (reference) => rough(sandbox, { match: { contains: reference }, kind: 'commit-then-drop', times: 1 }),
    knock: createKnock(scimUrl, token),
    chapter: async (title) => screen.title(title),
    tell: async (person, what, status) => {
      said.set(person, `${person.via} ${what}: ${status}`);
      screen.say(
        `  ${person.via.padEnd(5)}  ${`${person.givenName} ${person.familyName}`.padEnd(13)}  ${what.padEnd(30)}  ${status}`,
      );
      screen.show(await rows());
      if (screen.live) await sleep(PACE_MS);
    },
    converged: async () => {
      const tookMs = await caughtUp(site, async () => screen.show(await rows()));
      const { used } = await site.budget.peek();
      screen.say(`  Maxio has caught up after ${(tookMs / 1_000).toFixed(1)} s; ${used} calls so far.`);
    },
  });

  screen.title('The story is over. What was said, and what is true');
  screen.print(await rows());
  await sayFigures(site, sandbox, screen, naiveCalls);
}

/** Makes the sandbox slow, and worse where a fault says so: the first fault that matches a call wins. */
function rough(sandbox: Sandbox, ...worse: Fault[]): void {
  sandbox.state.clearFaults();
  for (const fault of [...worse, LATENCY]) sandbox.state.setFault(fault);
}

/** Waits until nobody is left whose last change Maxio has not seen. @returns how long it took, in ms */
async function caughtUp(site: Site, look: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  for (;;) {
    const { pending, parked } = await site.runs.backlog();
    await look();
    const tookMs = performance.now() - startedMs;
    if (parked > 0) throw new Error(`${parked} people are parked; this is a defect of the demo`);
    if (pending === 0) return tookMs;
    if (tookMs > CONVERGE_MS_MAX) throw new Error(`${pending} people are still waiting for Maxio after a minute`);
    await sleep(LOOK_EVERY_MS);
  }
}

async function sayFigures(site: Site, sandbox: Sandbox, screen: Screen, naiveCalls: number): Promise<void> {
  const { used, limit } = await site.budget.peek();
  const arrived = sandbox.state.ledger().length;
  const { join, change, leave } = NAIVE_CALLS;
  screen.say(
    '',
    `${used} of ${limit.toLocaleString('en')} calls used this hour, one of them to ask which site it is; ${arrived} arrived at the sandbox. The naive look-up-first sequence would have used ${naiveCalls}`,
    `(${join} to join, ${change} to change, ${leave} to leave or return: a lookup before everything, customer and subscription one by one).`,
  );
}
