/**
 * Owns the beginning of a rollout on a site with customers, as the demo shows it: the survey in observe, a pilot group from the identity providers, what the
 * service would do, and what looking up and creating would have done to a copy of the same site.
 * Refuses to claim: the figures come from the ops API, from both sandboxes and from their ledgers.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createSandbox, type Sandbox } from '../sandbox/sandbox.ts';
import type { Company } from './company.ts';
import { naiveSync } from './naive.ts';
import { type AskOps, createAskOps, type PlanAnswer, type SurveyAnswer } from './ops-door.ts';
import { syncPeople } from './scenes.ts';
import { createKnock } from './scim-door.ts';
import type { Screen } from './screen.ts';
import { TOKENS } from './tokens.ts';

export interface OnboardParts {
  address: string;
  company: Company;
  sandbox: Sandbox;
  screen: Screen;
  /** Leaves the people out. */
  empty: boolean;
}

const LOOK_EVERY_MS = 100;
const SURVEY_MS_MAX = 120_000;
export const PRODUCT = 'pro';

/** Shows how a rollout begins, up to where an operator decides. @throws Error when the survey does not end */
export async function onboard({ address, company, sandbox, screen, empty }: OnboardParts): Promise<void> {
  const ask = createAskOps(address);
  await showSurvey(ask, sandbox, screen);
  if (empty) return;

  const pilot = company.people.slice(0, Math.ceil(company.people.length / 10));
  screen.title(
    `A pilot group is assigned: the first ${number(pilot.length)} of ${number(company.people.length)} people, half in Okta, half in Entra ID`,
  );
  const { people, requests } = await syncPeople(
    {
      knock: createKnock(`${address}/scim/v2`, TOKENS.scim),
      progress: (done, total) => screen.progress('people pushed', done, total),
    },
    pilot,
  );
  screen.say(
    `  ${number(people)} people in ${number(requests)} SCIM requests. Calls that write at Maxio: ${number(writes(sandbox))}.`,
  );

  screen.title('What would happen to them, if the site were released now (npx maxio-scim plan)');
  const plan = await ask<PlanAnswer>('/plan');
  for (const [kind, count] of Object.entries(plan.counts)) {
    if (count > 0) screen.say(`  ${number(count).padStart(6)}  ${WORDS[kind] ?? kind}`);
  }
  await showNaive(company, pilot, screen);
}

const WORDS: Record<string, string> = {
  'create-with-subscription': 'new at Maxio: customer and subscription in one call',
  create: 'new at Maxio: a customer',
  adopt: 'at Maxio already under their own reference: taken over, nothing is created',
  'adopt-with-subscription': 'at Maxio already under their own reference: taken over, and given a subscription',
  update: 'changed at Maxio',
  end: 'no longer billed',
  return: 'billed again',
  subscribe: 'given a subscription',
  park: 'wait for a decision: Maxio has somebody with the same address, so nothing is created',
  wait: 'wait for a while',
  held: 'held by the guard',
  exempt: 'exempt',
  nothing: 'nothing to do',
};

async function showSurvey(ask: AskOps, sandbox: Sandbox, screen: Screen): Promise<void> {
  screen.title('The survey reads what is there already. The mode is observe: nothing is written at Maxio');
  const total = sandbox.state.customers().length + sandbox.state.subscriptions().length;
  const giveUpMs = performance.now() + SURVEY_MS_MAX;
  for (;;) {
    const survey = await ask<SurveyAnswer>('/survey');
    const read = survey.customers + survey.subscriptions;
    if (survey.state === 'done') {
      screen.progress('customers and subscriptions', total, total);
      screen.say(
        `  ${number(survey.customers)} customers and ${number(survey.subscriptions)} subscriptions in ${number(survey.calls)} calls; ` +
          `${number(survey.unreferenced ?? 0)} customers have no reference.`,
      );
      return;
    }
    screen.progress('customers and subscriptions', Math.min(read, total - 1), total);
    if (performance.now() > giveUpMs) throw new Error(`the survey is not done after two minutes: ${JSON.stringify(survey)}`);
    await sleep(LOOK_EVERY_MS);
  }
}

/** The same people against a copy of the same site, without this service. */
async function showNaive(company: Company, pilot: Company['people'], screen: Screen): Promise<void> {
  screen.title('The same people, looked up by reference and created on a miss, on a copy of this Maxio');
  const copy = await createSandbox();
  try {
    copy.state.seed({ customers: company.customers });
    const { calls, created, duplicates, billedTwice, monthlyCents } = await naiveSync(copy, pilot, PRODUCT);
    screen.say(
      `  ${number(calls)} calls, ${number(created)} customers created. ${number(duplicates)} of them were there before and are there twice now;`,
      `  ${number(billedTwice)} of those pay twice, ${(monthlyCents / 100).toLocaleString('en', { minimumFractionDigits: 2 })} a month too much.`,
    );
  } finally {
    await copy.close();
  }
}

function writes(sandbox: Sandbox): number {
  return sandbox.state.ledger().filter(({ method }) => method !== 'GET').length;
}

function number(value: number): string {
  return value.toLocaleString('en');
}
