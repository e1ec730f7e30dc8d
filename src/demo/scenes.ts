/**
 * Owns what the identity providers do in the onboarding demo: a first sync, two leavers, everyone deactivated by mistake, and the mistake taken back.
 * Each asks as its provider does: a match query before a create, Okta's PUT of the whole resource, Entra's PATCH with "False". Eight requests in flight.
 * Refuses to know what the service makes of it. Shapes: Okta's SCIM 2.0 guide, Microsoft's "Tutorial: develop a SCIM endpoint".
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { JsonObject } from '../scim/types.ts';
import { type Member, patchOf, resourceOf } from './cast.ts';
import type { Company } from './company.ts';
import type { Knock, Said } from './scim-door.ts';

export interface SceneParts {
  knock: Knock;
  /** Called as it goes on. */
  progress: (done: number, total: number) => void;
}

export interface Played {
  /** Whom it was about, without those for whom there was nothing to do. */
  people: number;
  requests: number;
}

const IN_FLIGHT = 8;
const PAGE = 200;
const TRIES = 20;

/** The first sync of some people: each is looked for, and created when nobody is found. */
export async function syncPeople(parts: SceneParts, people: readonly Member[]): Promise<Played> {
  const { send, played } = counting(parts);
  await each(parts, people, async (person) => {
    const name = encodeURIComponent(person.userName);
    const query = person.via === 'Okta' ? `userName%20eq%20%22${name}%22&startIndex=1&count=100` : `userName+eq+%22${name}%22`;
    const found = await send('GET', `/Users?filter=${query}`);
    if (found.body.totalResults !== 0) return;
    played.people += 1;
    await send('POST', '/Users', resourceOf(person));
  });
  return played;
}

/** Some people leave, one after the other. */
export async function deactivate(parts: SceneParts, people: readonly Member[]): Promise<Played> {
  return await switchAll(parts, people, false, 1);
}

/** A group is emptied by mistake: everyone loses the assignment, those who have really left first. */
export async function mistake(parts: SceneParts, company: Company): Promise<Played> {
  const apart = new Set([...company.leavers, ...company.gone]);
  const rest = company.people.filter((person) => !apart.has(person));
  const left = await deactivate({ ...parts, progress: () => {} }, company.gone);
  const mass = await switchAll(parts, rest, false, IN_FLIGHT);
  return { people: left.people + mass.people, requests: left.requests + mass.requests };
}

/** The mistake is taken back: everyone is assigned again but those who have really left. */
export async function undo(parts: SceneParts, company: Company): Promise<Played> {
  const apart = new Set([...company.leavers, ...company.gone]);
  const rest = company.people.filter((person) => !apart.has(person));
  return await switchAll(parts, rest, true, IN_FLIGHT);
}

async function switchAll(parts: SceneParts, people: readonly Member[], active: boolean, inFlight: number): Promise<Played> {
  const { send, played } = counting(parts);
  const known = await everyone(send);
  const concerned = people.filter((person) => known.get(person.userName)?.active === !active);
  await each(
    parts,
    concerned,
    async (person) => {
      const path = `/Users/${known.get(person.userName)?.id}`;
      played.people += 1;
      if (person.via === 'Okta') await send('PUT', path, resourceOf(person, { active }));
      // Entra's default job sends the boolean as a text.
      else await send('PATCH', path, patchOf({ path: 'active', value: active ? 'True' : 'False' }));
    },
    inFlight,
  );
  return played;
}

/** Reads everyone whom the service knows, by userName. */
async function everyone(send: Knock): Promise<Map<string, { id: string; active: boolean }>> {
  const known = new Map<string, { id: string; active: boolean }>();
  for (let startIndex = 1; ; startIndex += PAGE) {
    const { body } = await send('GET', `/Users?startIndex=${startIndex}&count=${PAGE}&attributes=userName,active`);
    const resources = body.Resources as { id: string; userName: string; active: boolean }[];
    for (const { id, userName, active } of resources) known.set(userName, { id, active });
    if (startIndex + PAGE > Number(body.totalResults)) return known;
  }
}

/** Counts requests, waits when it is told to, and takes every other refusal for a defect of the demo. */
function counting({ knock }: SceneParts): { send: Knock; played: Played } {
  const played: Played = { people: 0, requests: 0 };
  const send = async (method: string, path: string, body?: JsonObject): Promise<Said> => {
    for (let tried = 1; ; tried++) {
      const said = await knock(method, path, body);
      played.requests += 1;
      if (said.status < 300) return said;
      const busy = said.status === 429 || said.status === 503;
      if (!busy || tried === TRIES)
        throw new Error(`${method} ${path} was answered ${said.status}: ${JSON.stringify(said.body)}`);
      await sleep(1_000);
    }
  };
  return { send, played };
}

async function each(
  { progress }: SceneParts,
  people: readonly Member[],
  act: (person: Member) => Promise<void>,
  inFlight = IN_FLIGHT,
): Promise<void> {
  const queue = people.values();
  let done = 0;
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      for (const person of queue) {
        await act(person);
        progress(++done, people.length);
      }
    }),
  );
}
