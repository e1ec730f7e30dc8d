/**
 * Owns the checks of single rows of the User and Group schemas, where RFC 7643 leaves no choice. RFC 7643 §4.1, §4.2, §8.7.1.
 */
import { type Check, must, READS, type Subject, should } from '../check.ts';
import type { Answer } from '../client.ts';
import { same } from '../discover.ts';
import { expectEqual, expectList, expectThat, NotOffered, Unmet } from '../expect.ts';
import { type JsonObject, objectsAt, textAt } from '../json.ts';
import type { Trial } from '../trial.ts';
import { GROUP_URN, USER_URN } from '../urns.ts';

/** Without these there is no such resource. */
const REQUIRED = ['userName', 'displayName'];

/** The row of one attribute of a schema, or not offered where it may be left out. */
async function rowOf(t: Trial, urn: string, name: string): Promise<{ answer: Answer; row: JsonObject }> {
  const { answer, resources } = expectList(await t.get('/Schemas'));
  const schema = resources.find((row) => same(textAt(row, 'id'), urn));
  let list = objectsAt(schema, 'attributes');
  let row: JsonObject | undefined;
  for (const part of name.split('.')) {
    row = list.find((candidate) => same(textAt(candidate, 'name'), part));
    list = objectsAt(row, 'subAttributes');
  }
  if (row === undefined && REQUIRED.includes(name)) throw new Unmet(`${name} in the schema ${urn}`, 'no such attribute', answer);
  if (row === undefined) throw new NotOffered(`the schema has no ${name}`);
  return { answer, row };
}

/** What RFC 7643 fixes about one attribute. */
function fixed(
  id: string,
  section: string,
  urn: string,
  name: string,
  values: JsonObject,
  extra: Pick<Check, 'needs'> = {},
): Check {
  const told = Object.entries(values).map(([key, value]) => `${key} ${String(value)}`);
  return must(
    id,
    section,
    REQUIRED.includes(name)
      ? `${name} is described with ${told.join(', ')}.`
      : `${name}, where the schema has it, is described with ${told.join(', ')}.`,
    async (t) => {
      const { answer, row } = await rowOf(t, urn, name);
      for (const [key, value] of Object.entries(values)) expectEqual(answer, `${name}: ${key}`, row[key], value);
    },
    { ...READS, ...extra },
  );
}

const FIXED: Check[] = [
  fixed('schemas-username', '7643 §4.1.1', USER_URN, 'userName', {
    type: 'string',
    required: true,
    caseExact: false,
    uniqueness: 'server',
  }),
  fixed('schemas-active', '7643 §8.7.1', USER_URN, 'active', { type: 'boolean', multiValued: false }),
  fixed('schemas-emails', '7643 §8.7.1', USER_URN, 'emails', { type: 'complex', multiValued: true }),
  fixed('schemas-user-groups', '7643 §4.1.2', USER_URN, 'groups', { mutability: 'readOnly', multiValued: true }),
  fixed('schemas-password', '7643 §4.1.1', USER_URN, 'password', { mutability: 'writeOnly', returned: 'never' }),
  fixed('schemas-group-name', '7643 §4.2', GROUP_URN, 'displayName', { type: 'string', required: true }, { needs: 'groups' }),
  fixed(
    'schemas-group-members',
    '7643 §8.7.1',
    GROUP_URN,
    'members',
    { type: 'complex', multiValued: true },
    { needs: 'groups' },
  ),
  fixed(
    'schemas-group-member-value',
    '7643 §8.7.1',
    GROUP_URN,
    'members.value',
    { mutability: 'immutable' },
    { needs: 'groups' },
  ),
  should(
    'schemas-canonical',
    '7643 §7',
    'The usual types of e-mail addresses are published as canonicalValues.',
    async (t) => {
      const { answer, row } = await rowOf(t, USER_URN, 'emails.type');
      expectThat(
        answer,
        Array.isArray(row.canonicalValues) && row.canonicalValues.includes('work'),
        'canonicalValues with "work"',
        row.canonicalValues,
      );
    },
    READS,
  ),
];

export const SCHEMA_ROWS: Subject = { name: 'schema-rows', title: 'Discovery: attributes that are fixed', checks: FIXED };
