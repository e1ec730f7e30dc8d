/**
 * Owns the story of the demo: a dozen people join, change, leave and come back, in the words of Okta and Entra ID, with one answer of Maxio lost on purpose.
 * Refuses to wait for Maxio between requests of a chapter, since neither provider does; only between chapters, so that a reader can follow.
 * Shapes: Okta's SCIM 2.0 guide (custom apps PUT, template apps PATCH), Microsoft's "Tutorial: develop a SCIM endpoint".
 */
import { type Cast, type Member, patchOf, resourceOf } from './cast.ts';
import type { Knock } from './scim-door.ts';

export interface StoryParts {
  cast: Cast;
  knock: Knock;
  /** Makes Maxio cut the line after the next call about this reference has taken effect. */
  loseAnswer: (reference: string) => void;
  /** Called for every request: who, what in words, the status. */
  tell: (person: Member, what: string, status: number) => Promise<void>;
  /** Called at the beginning of a chapter. */
  chapter: (title: string) => Promise<void>;
  /** Resolves when Maxio has everything that was said so far. */
  converged: () => Promise<void>;
}

/** What looking up first would spend: customer and subscription are separate calls, and every change begins with a lookup. */
export const NAIVE_CALLS = { join: 3, change: 2, leave: 3, return: 3 } as const;

/** Plays the story. @returns the calls that the look-up-first sequence would have made for the same requests */
export async function playStory(parts: StoryParts): Promise<{ naiveCalls: number }> {
  const counted = { join: 0, change: 0, leave: 0, return: 0 };
  const { cast, chapter, converged } = parts;
  const send = async (kind: keyof typeof counted, person: Member, request: Request): Promise<void> => {
    const { status, body } = await parts.knock(request.method, request.path, request.body);
    const { id } = body;
    if (typeof id === 'string') person.id = id;
    counted[kind] += 1;
    await parts.tell(person, `${request.method} ${request.words}`, status);
  };

  await chapter('Eleven people are assigned, six in Okta and five in Entra ID');
  for (const person of Object.values(cast)) {
    if (person === cast.kofi) continue;
    await match(parts, person);
    await send('join', person, join(person));
  }
  await converged();

  await chapter('Names, addresses and titles change');
  for (const [person, request] of changes(cast)) await send('change', person, request);
  await converged();

  await chapter('Five people leave');
  for (const [person, request] of departures(cast)) await send('leave', person, request);
  await converged();

  await chapter("Two come back, one more joins, and Maxio's answer about him gets lost");
  for (const [person, request] of returns(cast)) await send('return', person, request);
  parts.loseAnswer(cast.kofi.externalId);
  await send('join', cast.kofi, join(cast.kofi));
  await converged();

  const kinds = Object.keys(counted) as (keyof typeof counted)[];
  return { naiveCalls: kinds.reduce((sum, kind) => sum + counted[kind] * NAIVE_CALLS[kind], 0) };
}

interface Request {
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  words: string;
  body?: ReturnType<typeof resourceOf>;
}

/** Both look before they create: Okta with %20, Entra with plus signs. */
async function match({ knock }: StoryParts, person: Member): Promise<void> {
  const name = encodeURIComponent(person.userName);
  if (person.via === 'Okta') await knock('GET', `/Users?filter=userName%20eq%20%22${name}%22&startIndex=1&count=100`);
  else await knock('GET', `/Users?filter=userName+eq+%22${name}%22`);
}

function changes(cast: Cast): [Member, Request][] {
  const { ann, ben, chloe, grace, hiro, lena } = cast;
  Object.assign(ann, { familyName: 'Baker', userName: 'ann.baker@example.com', email: 'ann.baker@example.com' });
  Object.assign(ben, { email: 'b.okafor@example.com' });
  Object.assign(hiro, { email: 'h.tanaka@example.com' });
  Object.assign(lena, { familyName: 'Horvat', userName: 'lena.horvat@example.com' });
  return [
    [ann, put(ann, 'new name and address')],
    [ben, put(ben, 'new e-mail address')],
    [chloe, put(chloe, 'nothing new')],
    [grace, patch(grace, 'new title', { path: 'title', value: 'Director' })],
    [hiro, patch(hiro, 'new e-mail address', { path: 'emails[type eq "work"].value', value: hiro.email })],
    [
      lena,
      patch(
        lena,
        'new name',
        { path: 'userName', value: lena.userName },
        { path: 'name.familyName', value: lena.familyName },
        { path: 'displayName', value: `Lena ${lena.familyName}` },
      ),
    ],
  ];
}

function departures({ dev, elif, finn, ines, jonas }: Cast): [Member, Request][] {
  return [
    [dev, { ...put(dev, 'leave'), body: resourceOf(dev, { active: false }) }],
    [elif, patch(elif, 'leave', { value: { active: false } })],
    [finn, { ...put(finn, 'leave'), body: resourceOf(finn, { active: false }) }],
    // Entra's default job sends the boolean as a text.
    [ines, patch(ines, 'leave ("False")', { path: 'active', value: 'False' })],
    [jonas, { method: 'DELETE', path: `/Users/${jonas.id}`, words: 'leave for good' }],
  ];
}

function returns({ dev, ines }: Cast): [Member, Request][] {
  return [
    [dev, { method: 'POST', path: '/Users', words: 'rehire', body: resourceOf(dev) }],
    [ines, patch(ines, 'rehire ("True")', { path: 'active', value: 'True' })],
  ];
}

function join(person: Member): Request {
  return { method: 'POST', path: '/Users', words: 'join', body: resourceOf(person) };
}

function put(person: Member, words: string): Request {
  return { method: 'PUT', path: `/Users/${person.id}`, words, body: resourceOf(person) };
}

function patch(person: Member, words: string, ...operations: Parameters<typeof patchOf>): Request {
  return { method: 'PATCH', path: `/Users/${person.id}`, words, body: patchOf(...operations) };
}
