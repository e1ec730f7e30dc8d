/**
 * Owns the checks of PATCH that must fail, each with the right word, and leave nothing behind. RFC 7644 §3.5.2, §3.12.
 * Three SHALLs are graded SHOULD, and say so in their own words, because the clients that most servers are for need the opposite: Microsoft's wants a value
 * created from a filter without a match (patch-no-target-equality), and an attribute that a server does not know, or does not let anybody write, comes beside
 * a disable that has to land (patch-path-unknown, patch-groups-refused). A server cannot do both, so neither is counted as wrong.
 */
import { type Check, must, type Subject, should } from '../check.ts';
import type { Answer } from '../client.ts';
import { expectEqual, expectError, expectStatus, expectThat } from '../expect.ts';
import { at, isUnassigned, type JsonObject } from '../json.ts';
import type { Trial } from '../trial.ts';
import { PATCH_URN } from '../urns.ts';

/** Patches somebody, expects a refusal, and that nothing has changed. */
function refused(operations: JsonObject[], look: (answer: Answer) => void, from: JsonObject = {}): Check['run'] {
  return async (t) => {
    const user = await t.user(from);
    const before = await t.fresh(user);
    look(await t.tryPatch(user, ...operations));
    expectEqual(user.answer, 'the resource as before the refused patch,', await t.fresh(user), before);
  };
}

/** Sends a message that is no patch. */
async function message(t: Trial, body: unknown): Promise<Answer> {
  const user = await t.user();
  return t.send('PATCH', user.path, body);
}

const is =
  (...types: string[]) =>
  (answer: Answer): void =>
    expectError(answer, 400, ...types);

const OP = { op: 'replace', path: 'displayName', value: 'Refused' };

const MESSAGES: Check[] = [
  must('patch-unknown', '7644 §3.5.2', 'Patching an id that nobody has is 404.', async (t) => {
    expectError(await t.tryPatch({ path: `/Users/${t.world.creations.nobody()}` }, OP), 404);
  }),
  must('patch-malformed', '7644 §3.12', 'Malformed JSON is 400 invalidSyntax.', async (t) => {
    expectError(await message(t, '{"schemas":['), 400, 'invalidSyntax');
  }),
  must('patch-without-schemas', '7644 §3.5.2', 'A message without the schema of patches is 400.', async (t) => {
    expectError(await message(t, { Operations: [OP] }), 400);
  }),
  must('patch-without-operations', '7644 §3.5.2', 'A message without Operations is 400.', async (t) => {
    expectError(await message(t, { schemas: [PATCH_URN] }), 400);
  }),
  must(
    'patch-unknown-op',
    '7644 §3.5.2',
    'An operation that is not add, remove or replace is 400.',
    refused([{ ...OP, op: 'increment' }], is('invalidSyntax', 'invalidValue')),
  ),
  must(
    'patch-without-op',
    '7644 §3.5.2',
    'An operation without op is 400.',
    refused([{ path: 'displayName', value: 'x' }], is('invalidSyntax', 'invalidValue')),
  ),
  must(
    'patch-without-value',
    '7644 §3.5.2.1',
    'add without a value is 400.',
    refused([{ op: 'add', path: 'nickName' }], is('invalidValue', 'invalidSyntax')),
  ),
];

const TARGETS: Check[] = [
  must(
    'patch-remove-no-path',
    '7644 §3.5.2.2',
    'remove without a path is 400 noTarget.',
    refused([{ op: 'remove' }], is('noTarget')),
  ),
  must(
    'patch-no-target',
    '7644 §3.5.2.3',
    'replace through a value filter that nothing matches, and that describes no value, is 400 noTarget.',
    refused([{ op: 'replace', path: 'emails[value ew "@nowhere.invalid"].display', value: 'x' }], is('noTarget')),
  ),
  should(
    'patch-no-target-equality',
    '7644 §3.5.2.3',
    'replace through a value filter that nothing matches is 400 noTarget, even where the filter describes the value. (The RFC says SHALL; Microsoft’s client wants it created.)',
    refused([{ op: 'replace', path: 'phoneNumbers[type eq "fax"].value', value: '+1 0' }], is('noTarget')),
  ),
  must(
    'patch-invalid-path',
    '7644 §3.5.2',
    'A path that cannot be read is 400 invalidPath.',
    refused([{ ...OP, path: 'emails[type eq "work"' }], is('invalidPath', 'invalidFilter')),
  ),
  must(
    'patch-invalid-path-dots',
    '7644 §3.5.2',
    'A path with an empty part is 400 invalidPath.',
    refused([{ ...OP, path: 'name..familyName' }], is('invalidPath')),
  ),
  should(
    'patch-path-filter',
    '7644 §3.12',
    'A path with a filter that cannot be read is 400 invalidFilter or invalidPath.',
    refused([{ ...OP, path: 'emails[type xx "work"].value' }], is('invalidFilter', 'invalidPath')),
  ),
  should(
    'patch-path-unknown',
    '7644 §3.5.2',
    'A path to an attribute that the schema does not have is refused, with invalidPath or noTarget. (The RFC says SHALL; clients send such attributes beside a disable.)',
    refused([{ ...OP, path: 'name.favouriteColour' }], is('invalidPath', 'noTarget', 'invalidValue')),
  ),
  should(
    'patch-path-no-parts',
    '7644 §3.12',
    'A path below a simple attribute is 400 invalidPath.',
    refused([{ ...OP, path: 'displayName.formatted' }], is('invalidPath', 'noTarget')),
  ),
];

const VALUES: Check[] = [
  must(
    'patch-id',
    '7644 §3.5.2',
    'The id is read-only: changing it is 400 mutability.',
    refused([{ op: 'replace', path: 'id', value: 'another' }], is('mutability')),
  ),
  must(
    'patch-meta',
    '7644 §3.5.2',
    'meta is read-only: changing it is 400 mutability.',
    refused([{ op: 'replace', path: 'meta.created', value: '1999-01-01T00:00:00Z' }], is('mutability')),
  ),
  must('patch-groups', '7643 §4.1.2', 'groups of a person cannot be changed by patching the person.', async (t) => {
    const user = await t.user();
    const answer = await t.tryPatch(user, { op: 'add', path: 'groups', value: [{ value: t.world.creations.nobody() }] });
    expectThat(answer, isUnassigned((await t.fresh(user)).groups), 'no groups', at(answer.body, 'groups'));
  }),
  should(
    'patch-groups-refused',
    '7644 §3.5.2',
    'A patch of the read-only groups of a person is refused with 400 mutability. (The RFC says SHALL; clients send them beside a disable.)',
    refused([{ op: 'add', path: 'groups', value: [{ value: 'x' }] }], is('mutability')),
  ),
  must(
    'patch-remove-required',
    '7644 §3.5.2.2',
    'Removing userName is 400 mutability.',
    refused([{ op: 'remove', path: 'userName' }], is('mutability', 'invalidValue')),
  ),
  must(
    'patch-empty-required',
    '7644 §3.5.2.3',
    'Replacing userName with nothing is 400.',
    refused([{ op: 'replace', path: 'userName', value: '' }], is('mutability', 'invalidValue')),
  ),
  must(
    'patch-wrong-type',
    '7644 §3.12',
    'A value of a wrong type is 400 invalidValue.',
    refused([{ op: 'replace', path: 'active', value: 'perhaps' }], is('invalidValue', 'invalidSyntax')),
  ),
  must(
    'patch-wrong-shape',
    '7644 §3.12',
    'A simple value for a complex attribute is 400.',
    refused([{ op: 'replace', path: 'name', value: 'Just Text' }], is('invalidValue', 'invalidSyntax')),
  ),
  must(
    'patch-no-path-no-object',
    '7644 §3.5.2',
    'Without a path the value has to be an object.',
    refused([{ op: 'replace', value: 'text' }], is('invalidValue', 'invalidSyntax', 'noTarget', 'invalidPath')),
  ),
  must('patch-taken', '7644 §3.5.2', 'A userName that somebody else has is 409 uniqueness.', async (t) => {
    const [one, two] = [await t.user(), await t.user()];
    expectError(await t.tryPatch(two, { op: 'replace', path: 'userName', value: one.name }), 409, 'uniqueness');
    expectEqual(two.answer, 'userName', (await t.fresh(two)).userName, two.name);
  }),
];

const ATOMIC: Check[] = [
  must(
    'patch-atomic',
    '7644 §3.5.2',
    'When a later operation fails, the earlier ones have not happened either.',
    refused([OP, { op: 'remove', path: 'emails' }, { op: 'replace', path: 'id', value: 'x' }], (answer) =>
      expectStatus(answer, 400),
    ),
  ),
  must(
    'patch-atomic-taken',
    '7644 §3.5.2',
    'When a userName turns out to be taken, nothing else of the patch has happened.',
    async (t) => {
      const [one, two] = [await t.user(), await t.user()];
      const before = await t.fresh(two);
      expectStatus(await t.tryPatch(two, OP, { op: 'replace', path: 'userName', value: one.name }), 409);
      expectEqual(two.answer, 'the resource as before,', await t.fresh(two), before);
    },
  ),
  must(
    'patch-atomic-first',
    '7644 §3.5.2',
    'When the first operation fails, the later ones do not happen.',
    refused([{ op: 'remove' }, OP], (answer) => expectStatus(answer, 400)),
  ),
];

export const PATCH_REFUSED: Subject = {
  name: 'patch-refused',
  title: 'Patches that must be refused',
  needs: 'patch',
  checks: [...MESSAGES, ...TARGETS, ...VALUES, ...ATOMIC],
};
