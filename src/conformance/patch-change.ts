/**
 * Owns how the checks of PATCH try a change: make somebody, patch them, read them again, compare what counts. And the sweep over every
 * writable attribute of the server's own schema.
 */
import type { Check } from './check.ts';
import { attributesOf, valueFor } from './discover.ts';
import { expectEqual, expectStatus, shown, Unmet } from './expect.ts';
import { at, type JsonObject, objectsAt, textAt } from './json.ts';
import type { Made, Trial } from './trial.ts';
import { USER_URN } from './urns.ts';

export const WORK = { value: 'w@work.example', type: 'work', primary: true };
export const HOME = { value: 'h@home.example', type: 'home' };

/** Compares the parts of a list that matter, in any order. */
export function values(resource: JsonObject, name: string): string[] {
  return objectsAt(resource, name)
    .map((element) => textAt(element, 'value'))
    .sort();
}

interface Change {
  from?: JsonObject;
  operations: JsonObject[];
  /** Reads from the resource what counts. */
  look: (resource: JsonObject) => unknown;
  what: string;
  now: unknown;
}

/** Patches somebody and looks at what became of it. */
export function change(wanted: Change): Check['run'] {
  return async (t) => {
    const user = await t.user(wanted.from);
    const answer = await t.tryPatch(user, ...wanted.operations);
    expectStatus(answer, 200, 204);
    const now = await t.fresh(user);
    expectEqual(answer, wanted.what, wanted.look(now), wanted.now);
    expectEqual(answer, 'userName as before,', now.userName, user.name);
  };
}

export const part =
  (...names: (string | number)[]) =>
  (resource: JsonObject): unknown =>
    at(resource, ...names);

/** Attributes that a sweep over the schema leaves alone: identity, and what other checks are about. */
const LEFT_ALONE = new Set(['userName', 'active', 'password', 'groups', 'id', 'externalId', 'schemas', 'meta']);

/** Does one operation on every writable attribute of the User schema. */
export async function sweep(
  t: Trial,
  act: (made: Made, name: string, value: unknown) => Promise<JsonObject>,
  fits: (now: unknown) => boolean,
): Promise<void> {
  const rows = (attributesOf(t.world.discovered, USER_URN) ?? []).filter(({ mutability }) => mutability === 'readWrite');
  const user = await t.user();
  const bad: string[] = [];
  for (const row of rows) {
    const name = textAt(row, 'name');
    if (LEFT_ALONE.has(name)) continue;
    const value = row.multiValued === true ? [valueFor(row)] : valueFor(row);
    const now = await act(user, name, value);
    if (!fits(now[name])) bad.push(`${name}: ${shown(now[name])}`);
  }
  if (bad.length > 0) throw new Unmet('every writable attribute to follow', bad.join('; '), user.answer);
}
