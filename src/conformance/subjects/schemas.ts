/**
 * Owns the checks of /Schemas: that every attribute is described completely. What RFC 7643 fixes about single attributes is in schema-rows.ts.
 * RFC 7643 §7, §8.7; RFC 7644 §4.
 */
import { type Check, must, READS, type Subject, should } from '../check.ts';
import type { Answer } from '../client.ts';
import { same } from '../discover.ts';
import { expectEqual, expectList, expectObject, expectStatus, expectThat } from '../expect.ts';
import { isObject, type JsonObject, objectsAt, textAt } from '../json.ts';
import type { Trial } from '../trial.ts';
import { SCHEMA_URN, USER_URN } from '../urns.ts';

const TYPES = ['string', 'boolean', 'decimal', 'integer', 'dateTime', 'reference', 'complex', 'binary'];
const MUTABILITY = ['readOnly', 'readWrite', 'immutable', 'writeOnly'];
const RETURNED = ['always', 'never', 'default', 'request'];
const UNIQUENESS = ['none', 'server', 'global'];

interface Row {
  /** Such as `User.name.familyName`. */
  place: string;
  row: JsonObject;
}

/** Every attribute and sub-attribute of every schema. */
async function rows(t: Trial): Promise<{ answer: Answer; rows: Row[] }> {
  const { answer, resources } = expectList(await t.get('/Schemas'));
  const flat = (place: string, row: JsonObject): Row[] => [
    { place, row },
    ...objectsAt(row, 'subAttributes').flatMap((sub) => flat(`${place}.${textAt(sub, 'name')}`, sub)),
  ];
  const found = resources.flatMap((schema) =>
    objectsAt(schema, 'attributes').flatMap((row) =>
      flat(`${textAt(schema, 'name') || textAt(schema, 'id')}.${textAt(row, 'name')}`, row),
    ),
  );
  expectThat(answer, found.length > 0, 'schemas with attributes', 'none');
  return { answer, rows: found };
}

/** A demand on every attribute. */
function every(id: string, says: string, holds: (row: JsonObject) => boolean, expected: string): Check {
  return must(
    id,
    '7643 §7',
    says,
    async (t) => {
      const { answer, rows: all } = await rows(t);
      const bad = all.find(({ row }) => !holds(row));
      expectThat(
        answer,
        bad === undefined,
        expected,
        bad === undefined ? '' : `${bad.place}: ${JSON.stringify({ ...bad.row, subAttributes: undefined })}`,
      );
    },
    READS,
  );
}

const LIST_CHECKS: Check[] = [
  must(
    'schemas-list',
    '7644 §4',
    'GET /Schemas gives a ListResponse with at least one schema.',
    async (t) => {
      const { answer, resources } = expectList(await t.get('/Schemas'));
      expectThat(answer, resources.length > 0, 'schemas', resources);
    },
    READS,
  ),
  must(
    'schemas-complete',
    '7643 §7',
    'Each schema has an id that is a URN and a list of attributes.',
    async (t) => {
      const { answer, resources } = expectList(await t.get('/Schemas'));
      for (const schema of resources) {
        expectThat(answer, /^urn:/i.test(textAt(schema, 'id')), 'an id that is a URN', schema.id);
        expectThat(
          answer,
          Array.isArray(schema.attributes) && schema.attributes.every(isObject),
          'attributes',
          schema.attributes,
        );
      }
    },
    READS,
  ),
  should(
    'schemas-schema',
    '7643 §7',
    'Each schema names the schema of schemas in its own schemas.',
    async (t) => {
      const { answer, resources } = expectList(await t.get('/Schemas'));
      for (const { id, schemas } of resources) {
        expectThat(
          answer,
          Array.isArray(schemas) && schemas.includes(SCHEMA_URN),
          `schemas ["${SCHEMA_URN}"] in ${String(id)}`,
          schemas,
        );
      }
    },
    READS,
  ),
  must(
    'schemas-user',
    '7643 §8.7.1',
    'The User schema is listed.',
    async (t) => {
      const { answer, ids } = expectList(await t.get('/Schemas'));
      expectThat(
        answer,
        ids.some((id) => same(id, USER_URN)),
        USER_URN,
        ids,
      );
    },
    READS,
  ),
  must(
    'schemas-by-urn',
    '7644 §4',
    'Each schema can be read below /Schemas by its URN, and is the same as in the list.',
    async (t) => {
      for (const schema of expectList(await t.get('/Schemas')).resources) {
        const answer = await t.get(`/Schemas/${textAt(schema, 'id')}`);
        const body = expectObject(answer);
        expectEqual(
          answer,
          'the same attributes as in the list,',
          objectsAt(body, 'attributes').length,
          objectsAt(schema, 'attributes').length,
        );
        expectEqual(answer, 'id', body.id, schema.id);
      }
    },
    READS,
  ),
  must(
    'schemas-unknown',
    '7644 §4',
    'A schema that does not exist is 404.',
    async (t) => expectStatus(await t.get(`/Schemas/urn:example:${t.prefix}nothing`), 404),
    READS,
  ),
  must(
    'schemas-no-messages',
    '7644 §3.1',
    'The schemas of messages (errors, lists, patches) are no schemas of resources and are not listed.',
    async (t) => {
      const { answer, ids } = expectList(await t.get('/Schemas'));
      const messages = ids.filter((id) => id.includes(':api:messages:'));
      expectEqual(answer, 'no message schemas,', messages, []);
    },
    READS,
  ),
];

const CHARACTERISTICS: Check[] = [
  every(
    'schemas-names',
    'Every attribute has a name that can stand in a filter.',
    ({ name }) => /^[A-Za-z$][\w$-]*$/.test(String(name)),
    'a letter, then letters, digits, - or _',
  ),
  every(
    'schemas-types',
    'Every attribute has one of the types of SCIM.',
    ({ type }) => TYPES.includes(String(type)),
    `type ${TYPES.join(', ')}`,
  ),
  every(
    'schemas-plurality',
    'Every attribute says whether it has many values.',
    ({ multiValued }) => typeof multiValued === 'boolean',
    'multiValued as a boolean',
  ),
  every(
    'schemas-required',
    'Every attribute says whether it is required.',
    ({ required }) => typeof required === 'boolean',
    'required as a boolean',
  ),
  every(
    'schemas-mutability',
    'Every attribute says how it can be changed.',
    ({ mutability }) => MUTABILITY.includes(String(mutability)),
    `mutability ${MUTABILITY.join(', ')}`,
  ),
  every(
    'schemas-returned',
    'Every attribute says when it is returned.',
    ({ returned }) => RETURNED.includes(String(returned)),
    `returned ${RETURNED.join(', ')}`,
  ),
  every(
    'schemas-uniqueness',
    'Where an attribute tells its uniqueness, it is one of the words of SCIM.',
    ({ uniqueness }) => uniqueness === undefined || UNIQUENESS.includes(String(uniqueness)),
    `uniqueness ${UNIQUENESS.join(', ')}`,
  ),
  every(
    'schemas-case',
    'Every text says whether case matters.',
    ({ type, caseExact }) => type !== 'string' || typeof caseExact === 'boolean',
    'caseExact as a boolean',
  ),
  every(
    'schemas-parts',
    'Every complex attribute names its sub-attributes, and only those have any.',
    (row) => (row.type === 'complex') === objectsAt(row, 'subAttributes').length > 0,
    'subAttributes for complex attributes only',
  ),
  every(
    'schemas-references',
    'Every reference says what it refers to.',
    ({ type, referenceTypes }) => type !== 'reference' || (Array.isArray(referenceTypes) && referenceTypes.length > 0),
    'referenceTypes',
  ),
  every(
    'schemas-write-only',
    'What can only be written is never returned.',
    ({ mutability, returned }) => mutability !== 'writeOnly' || returned === 'never',
    'returned never for writeOnly',
  ),
];

export const SCHEMAS: Subject = {
  name: 'schemas',
  title: 'Discovery: schemas',
  checks: [...LIST_CHECKS, ...CHARACTERISTICS],
};
