/**
 * Owns the checks of resources against the server's own schemas: what is required is there, what is there is described and of its type,
 * what is never returned is not there. A server that says nothing about itself cannot be held to it. RFC 7643 §2, §3, §7.
 */
import { type Check, must, type Subject, should } from '../check.ts';
import type { Answer } from '../client.ts';
import { attributesOf, same } from '../discover.ts';
import { expectEqual, expectThat, NotOffered } from '../expect.ts';
import { at, isObject, type JsonObject, objectsAt, textAt } from '../json.ts';
import type { Trial } from '../trial.ts';
import { GROUP_URN, USER_URN } from '../urns.ts';

/** Common attributes are part of no schema (RFC 7643 §3.1). */
const COMMON = new Set(['id', 'externalid', 'meta', 'schemas']);

/** The rows of a schema, or not offered when it cannot be read. */
function rowsOf(t: Trial, urn: string): JsonObject[] {
  const rows = attributesOf(t.world.discovered, urn);
  if (rows === undefined) throw new NotOffered(`the schema ${urn} cannot be read`);
  return rows;
}

interface Found {
  place: string;
  value: unknown;
  row: JsonObject | undefined;
}

/** Every attribute of a resource with its row, sub-attributes and extensions included. */
function walk(t: Trial, resource: JsonObject, urn: string): Found[] {
  const found: Found[] = [];
  for (const [name, value] of Object.entries(resource)) {
    if (COMMON.has(name.toLowerCase())) continue;
    if (!name.toLowerCase().startsWith('urn:')) found.push(...below(name, value, rowsOf(t, urn), name));
    else if (isObject(value)) {
      const rows = attributesOf(t.world.discovered, name);
      for (const [part, inner] of Object.entries(value)) {
        found.push(
          ...(rows === undefined
            ? [{ place: `${name}:${part}`, value: inner, row: undefined }]
            : below(part, inner, rows, `${name}:${part}`)),
        );
      }
    }
  }
  return found;
}

function below(name: string, value: unknown, rows: JsonObject[], place: string): Found[] {
  const row = rows.find((candidate) => same(textAt(candidate, 'name'), name));
  const inner: Found[] = [];
  for (const element of Array.isArray(value) ? value : [value]) {
    if (!isObject(element)) continue;
    for (const [part, sub] of Object.entries(element))
      inner.push(...below(part, sub, objectsAt(row, 'subAttributes'), `${place}.${part}`));
  }
  return [{ place, value, row }, ...inner];
}

/** Tells whether one value is of a type (RFC 7643 §2.3). */
function isOfType(value: unknown, type: string): boolean {
  switch (type) {
    case 'boolean':
      return typeof value === 'boolean';
    case 'integer':
      return Number.isInteger(value);
    case 'decimal':
      return typeof value === 'number';
    case 'complex':
      return isObject(value);
    case 'dateTime':
      return typeof value === 'string' && !Number.isNaN(Date.parse(value));
    default:
      return typeof value === 'string';
  }
}

function fits({ value, row }: Found): boolean {
  if (row === undefined) return true;
  const values = row.multiValued === true && Array.isArray(value) ? value : [value];
  return values.every((one) => isOfType(one, textAt(row, 'type')));
}

/** A demand on every attribute of Ann, as she is read. */
function everyAttribute(holds: (found: Found) => boolean, expected: string): Check['run'] {
  return async (t) => {
    const { ann } = await t.cast();
    const answer = await t.get(ann.path);
    const all = isObject(answer.body) ? walk(t, answer.body, USER_URN) : [];
    expectThat(answer, all.length > 0, 'attributes', 'none');
    const bad = all.find((found) => !holds(found));
    expectThat(answer, bad === undefined, expected, bad === undefined ? '' : `${bad.place}: ${JSON.stringify(bad.value)}`);
  };
}

async function ann(t: Trial): Promise<{ answer: Answer; body: JsonObject }> {
  const answer = await t.get((await t.cast()).ann.path);
  return { answer, body: isObject(answer.body) ? answer.body : {} };
}

function expectRequired(answer: Answer, resource: JsonObject, rows: JsonObject[]): void {
  for (const { name } of rows.filter(({ required, returned }) => required === true && returned !== 'never')) {
    expectThat(answer, resource[String(name)] !== undefined, `the required ${String(name)}`, 'nothing');
  }
}

export const RESOURCE: Subject = {
  name: 'resource',
  title: 'Resources and their schemas',
  checks: [
    must('resource-required', '7643 §7', 'Every attribute that the schema requires is there.', async (t) => {
      const { answer, body } = await ann(t);
      expectRequired(answer, body, rowsOf(t, USER_URN));
    }),
    must(
      'resource-described',
      '7643 §7',
      'Every attribute is described by a schema of the server.',
      everyAttribute(({ row }) => row !== undefined, 'only attributes of the schemas'),
    ),
    must(
      'resource-types',
      '7643 §2.3',
      'Every value is of the type that its schema says.',
      everyAttribute(fits, 'values of the types of the schemas'),
    ),
    must(
      'resource-plurality',
      '7643 §2.4',
      'Multi-valued attributes are lists, all others are not.',
      everyAttribute(
        ({ value, row }) => row === undefined || Array.isArray(value) === (row.multiValued === true),
        'lists where the schema says multiValued',
      ),
    ),
    must(
      'resource-never',
      '7643 §7',
      'Nothing is there that the schema never returns.',
      everyAttribute(({ row }) => row?.returned !== 'never', 'nothing that is never returned'),
    ),
    must(
      'resource-on-request',
      '7643 §7',
      'Nothing is there unasked that the schema returns on request only.',
      everyAttribute(({ row }) => row?.returned !== 'request', 'nothing that is returned on request'),
    ),
    should(
      'resource-no-null',
      '7643 §2.5',
      'Attributes without a value are left out.',
      everyAttribute(({ value }) => value !== null && value !== '', 'no null and no empty text'),
    ),
    must(
      'resource-names',
      '7643 §2.1',
      'Attributes are written as the schema writes them.',
      everyAttribute(
        ({ place, row }) => row === undefined || place.split(/[.:]/).at(-1) === row.name,
        'the letter case of the schema',
      ),
    ),
    must(
      'resource-schemas',
      '7643 §3',
      'schemas names exactly what is there: the core schema and each extension with values.',
      async (t) => {
        const { answer, body } = await ann(t);
        const extensions = Object.keys(body).filter((name) => name.startsWith('urn:'));
        expectEqual(
          answer,
          'schemas',
          (Array.isArray(body.schemas) ? body.schemas : []).toSorted(),
          [USER_URN, ...extensions].toSorted(),
        );
      },
    ),
    must(
      'resource-in-list',
      '7643 §3',
      'A resource in a list is the same as when read alone.',
      async (t) => {
        const { answer, body } = await ann(t);
        const list = await t.all('/Users', { filter: `userName eq "${String(body.userName)}"` });
        expectEqual(answer, 'the resource as in the list,', list.resources[0], body);
      },
      { needs: 'filter' },
    ),
    must(
      'resource-common',
      '7643 §3.1',
      'id, schemas and meta.resourceType are in every resource of a list.',
      async (t) => {
        await t.cast();
        const list = await t.all('/Users', { filter: t.mine });
        for (const resource of list.resources) {
          expectThat(list.answer, textAt(resource, 'id') !== '' && Array.isArray(resource.schemas), 'id and schemas', resource);
          expectEqual(list.answer, 'meta.resourceType', at(resource, 'meta', 'resourceType'), 'User');
        }
      },
      { needs: 'filter' },
    ),
    must(
      'resource-group',
      '7643 §7',
      'A group has what its schema requires, and each of its values is of its type.',
      async (t) => {
        const { ann: one } = await t.cast();
        const group = await t.group([one]);
        const body = await t.fresh(group);
        expectRequired(group.answer, body, rowsOf(t, GROUP_URN));
        const bad = walk(t, body, GROUP_URN).find((found) => found.row === undefined || !fits(found));
        expectThat(
          group.answer,
          bad === undefined,
          'values as the schema says',
          bad === undefined ? '' : `${bad.place}: ${JSON.stringify(bad.value)}`,
        );
      },
      { needs: 'groups' },
    ),
  ],
};
