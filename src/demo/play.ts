/**
 * Owns `npm run demo -- play`: one scene of a demo that runs in another terminal, from outside, as the identity provider or a colleague at Maxio would.
 * Refuses other addresses than this machine's: a scene may deactivate everybody.
 */
import { type Company, createCompany } from './company.ts';
import type { Scene } from './options.ts';
import { deactivate, mistake, type Played, type SceneParts, syncPeople, undo } from './scenes.ts';
import { createKnock } from './scim-door.ts';
import type { Screen } from './screen.ts';
import { editByHand } from './staff.ts';
import { TOKENS } from './tokens.ts';

export interface PlayParts {
  scene: Scene;
  existing: number;
  address: string;
  sandboxUrl: string;
  screen: Screen;
}

/** Plays a scene and tells what it did. @throws Error when no demo of that size answers */
export async function play({ scene, existing, address, sandboxUrl, screen }: PlayParts): Promise<void> {
  const company = createCompany(existing);
  await refuseOthers(sandboxUrl, company);
  if (scene === 'staff') {
    screen.say(...(await editByHand(sandboxUrl, company)).map((line) => `  ${line}`));
    return;
  }
  const knock = createKnock(`${address}/scim/v2`, TOKENS.scim);
  const parts = { knock, progress: (done: number, total: number) => screen.progress(WORDS[scene].label, done, total) };
  const { people, requests } = await perform(scene, parts, company);
  screen.say(`  ${people.toLocaleString('en')} ${WORDS[scene].done}, in ${requests.toLocaleString('en')} SCIM requests.`);
}

const WORDS: Record<Exclude<Scene, 'staff'>, { label: string; done: string }> = {
  everyone: { label: 'people looked for', done: 'people were not there yet and are now' },
  leavers: { label: 'people who leave', done: 'people left' },
  mistake: { label: 'people deactivated', done: 'people were deactivated, three of whom have really left' },
  undo: { label: 'people activated', done: 'people are active again' },
};

async function perform(scene: Exclude<Scene, 'staff'>, parts: SceneParts, company: Company): Promise<Played> {
  switch (scene) {
    case 'everyone':
      return await syncPeople(parts, company.people);
    case 'leavers':
      return await deactivate(parts, company.leavers);
    case 'mistake':
      return await mistake(parts, company);
    case 'undo':
      return await undo(parts, company);
  }
}

/** The first customer tells whether this is the company that we would speak of. */
async function refuseOthers(sandboxUrl: string, company: Company): Promise<void> {
  const size = company.customers.length;
  const start = `npm run demo -- --existing ${size}`;
  const answer = await fetch(`${sandboxUrl}/__sandbox/state`).catch((cause: unknown) => {
    throw new Error(`no demo answers at ${sandboxUrl}; start one in another terminal with ${start}`, { cause });
  });
  const { customers } = (await answer.json()) as { customers: { email: string }[] };
  const first = company.customers[0]?.email?.toLowerCase();
  if (customers.length < size || !customers.some(({ email }) => email.toLowerCase() === first)) {
    throw new Error(`the demo at ${sandboxUrl} was not started with ${start}; give play the same --existing`);
  }
}
