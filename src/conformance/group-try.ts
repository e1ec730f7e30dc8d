/**
 * Owns how the checks of members try a change: three people, a group, a patch, and who is in it afterwards.
 */
import type { Check } from './check.ts';
import { expectEqual, expectStatus } from './expect.ts';
import { type JsonObject, objectsAt, textAt } from './json.ts';
import type { Made, Trial } from './trial.ts';

export function idsIn(resource: JsonObject): string[] {
  return objectsAt(resource, 'members')
    .map((member) => textAt(member, 'value'))
    .toSorted();
}

export async function people(t: Trial, count: number): Promise<Made[]> {
  const made: Made[] = [];
  while (made.length < count) made.push(await t.user());
  return made;
}

export const idsOf = (made: readonly (Made | undefined)[]): string[] => made.map((one) => one?.id ?? '').toSorted();

interface Change {
  /** Who is in the group before, by number of three people. */
  before: number[];
  operations: (people: Made[]) => JsonObject[];
  after: number[];
}

/** Makes three people and a group, patches it, and looks who is in it. */
export function changeMembers({ before, operations, after }: Change): Check['run'] {
  return async (t) => {
    const three = await people(t, 3);
    const group = await t.group(before.map((at) => three[at]).filter((one) => one !== undefined));
    const answer = await t.tryPatch(group, ...operations(three));
    expectStatus(answer, 200, 204);
    expectEqual(answer, 'the members', idsIn(await t.fresh(group)), idsOf(after.map((at) => three[at])));
  };
}

export const idAt = (made: Made[], at: number): string => made[at]?.id ?? '';
