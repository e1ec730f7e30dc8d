/**
 * Owns the checks of ServiceProviderConfig and of the resource types: where they are and what they must tell.
 * The schemas are a subject of their own. RFC 7644 §4; RFC 7643 §5, §6; RFC 9865 §4.
 */
import { type Check, may, must, READS, type Subject, should } from '../check.ts';
import type { Answer } from '../client.ts';
import { same } from '../discover.ts';
import { expectEqual, expectList, expectObject, expectStatus, expectThat, NotOffered } from '../expect.ts';
import { at, isObject, type JsonObject, objectsAt, textAt } from '../json.ts';
import type { Trial } from '../trial.ts';
import { CONFIG_URN, GROUP_URN, TYPE_URN, USER_URN } from '../urns.ts';

const CONFIG = '/ServiceProviderConfig';
const TYPES = '/ResourceTypes';

async function config(t: Trial): Promise<{ answer: Answer; body: JsonObject }> {
  const answer = await t.get(CONFIG);
  return { answer, body: expectObject(answer) };
}

/** One part of the configuration: each named value has the type. */
function part(name: string, values: Record<string, 'boolean' | 'number'>): Check {
  const told = Object.keys(values).join(', ');
  return must(
    `config-${name.toLowerCase()}`,
    '7643 §5',
    `ServiceProviderConfig tells ${name} with ${told}, whether it is supported or not.`,
    async (t) => {
      const { answer, body } = await config(t);
      for (const [key, type] of Object.entries(values)) {
        const value = at(body, name, key);
        expectThat(answer, typeof value === type, `${name}.${key} as a ${type}`, value);
      }
    },
    READS,
  );
}

const KNOWN_SCHEMES = ['oauth', 'oauth2', 'oauthbearertoken', 'httpbasic', 'httpdigest'];

/** Every place that describes the server forbids filters. */
const unfiltered = [CONFIG, TYPES, '/Schemas'].map((path) =>
  should(
    `discovery-filter-${path.slice(1).toLowerCase()}`,
    '7644 §4',
    `A filter on ${path} is answered with 403, so that nobody takes the whole for the match.`,
    async (t) => expectStatus(await t.get(path, { filter: 'id eq "User"' }), 403),
    READS,
  ),
);

const CONFIG_CHECKS: Check[] = [
  must(
    'config-answers',
    '7644 §4',
    'GET /ServiceProviderConfig gives one object with the schema of the configuration.',
    async (t) => {
      const { answer, body } = await config(t);
      expectThat(answer, objectIs(body, CONFIG_URN), `schemas ["${CONFIG_URN}"]`, body.schemas);
      expectThat(answer, body.Resources === undefined, 'one object and no list', body.Resources);
    },
    READS,
  ),
  part('patch', { supported: 'boolean' }),
  part('bulk', { supported: 'boolean', maxOperations: 'number', maxPayloadSize: 'number' }),
  part('filter', { supported: 'boolean', maxResults: 'number' }),
  part('changePassword', { supported: 'boolean' }),
  part('sort', { supported: 'boolean' }),
  part('etag', { supported: 'boolean' }),
  must(
    'config-auth-schemes',
    '7643 §5',
    'Each authentication scheme has type, name and description.',
    async (t) => {
      const { answer, body } = await config(t);
      const schemes = objectsAt(body, 'authenticationSchemes');
      expectThat(answer, schemes.length > 0, 'authenticationSchemes', body.authenticationSchemes);
      for (const scheme of schemes) {
        for (const key of ['type', 'name', 'description']) {
          expectThat(answer, textAt(scheme, key) !== '', `authenticationSchemes with a ${key}`, scheme);
        }
      }
    },
    READS,
  ),
  should(
    'config-auth-types',
    '7643 §5',
    'The type of an authentication scheme is one of those that the RFC names.',
    async (t) => {
      const { answer, body } = await config(t);
      for (const { type } of objectsAt(body, 'authenticationSchemes')) {
        expectThat(answer, KNOWN_SCHEMES.includes(String(type)), `one of ${KNOWN_SCHEMES.join(', ')}`, type);
      }
    },
    READS,
  ),
  may(
    'config-meta',
    '7643 §5',
    'ServiceProviderConfig has meta with resourceType and location.',
    async (t) => {
      const { answer, body } = await config(t);
      expectEqual(answer, 'meta.resourceType', at(body, 'meta', 'resourceType'), 'ServiceProviderConfig');
      expectThat(
        answer,
        textAt(body, 'meta', 'location').endsWith(CONFIG),
        `meta.location ending in ${CONFIG}`,
        at(body, 'meta', 'location'),
      );
    },
    READS,
  ),
  may(
    'config-pagination',
    '9865 §4',
    'ServiceProviderConfig tells which ways of paging there are: pagination with cursor and index.',
    async (t) => {
      const { answer, body } = await config(t);
      if (body.pagination === undefined) throw new NotOffered('ServiceProviderConfig has no pagination');
      for (const key of ['cursor', 'index']) {
        const value = at(body, 'pagination', key);
        expectThat(answer, typeof value === 'boolean', `pagination.${key} as a boolean`, value);
      }
    },
    READS,
  ),
  must('config-read-only', '7644 §4', 'The configuration cannot be written: PUT is refused.', async (t) => {
    const answer = await t.send('PUT', CONFIG, {});
    expectThat(answer, answer.status >= 400 && answer.status !== 500, 'a refusal', `status ${answer.status}`);
  }),
];

async function userType(t: Trial): Promise<{ answer: Answer; type: JsonObject }> {
  const list = expectList(await t.get(TYPES));
  const type = list.resources.find((row) => same(textAt(row, 'schema'), USER_URN));
  expectThat(
    list.answer,
    type !== undefined,
    `a resource type with schema ${USER_URN}`,
    list.resources.map((row) => row.schema),
  );
  return { answer: list.answer, type: type ?? {} };
}

const TYPE_CHECKS: Check[] = [
  must(
    'types-list',
    '7644 §4',
    'GET /ResourceTypes gives a ListResponse with at least one type.',
    async (t) => {
      const { answer, resources } = expectList(await t.get(TYPES));
      expectThat(answer, resources.length > 0, 'resource types', resources);
    },
    READS,
  ),
  must(
    'types-complete',
    '7643 §6',
    'Each resource type has name, endpoint and schema, and the schema of resource types.',
    async (t) => {
      const { answer, resources } = expectList(await t.get(TYPES));
      for (const type of resources) {
        expectThat(answer, objectIs(type, TYPE_URN), `schemas ["${TYPE_URN}"]`, type.schemas);
        for (const key of ['name', 'endpoint', 'schema'])
          expectThat(answer, textAt(type, key) !== '', `a resource type with ${key}`, type);
      }
    },
    READS,
  ),
  must(
    'types-total',
    '7644 §3.4.2',
    'The list of resource types is whole: totalResults counts what is there.',
    async (t) => {
      const { answer, resources, total } = expectList(await t.get(TYPES));
      expectEqual(answer, 'as many Resources as totalResults,', resources.length, total);
    },
    READS,
  ),
  should(
    'types-user',
    '7643 §6',
    'There is a type for people, with endpoint /Users.',
    async (t) => {
      const { answer, type } = await userType(t);
      expectThat(answer, /\/Users$/.test(textAt(type, 'endpoint')), 'endpoint /Users', type.endpoint);
    },
    READS,
  ),
  must(
    'types-by-name',
    '7644 §4',
    'A single resource type can be read below /ResourceTypes, and is the same as in the list.',
    async (t) => {
      const { type } = await userType(t);
      const answer = await t.get(`${TYPES}/${encodeURIComponent(textAt(type, 'id') || textAt(type, 'name'))}`);
      const body = expectObject(answer);
      for (const key of ['name', 'endpoint', 'schema']) expectEqual(answer, key, body[key], type[key]);
    },
    READS,
  ),
  must(
    'types-unknown',
    '7644 §4',
    'A resource type that does not exist is 404.',
    async (t) => expectStatus(await t.get(`${TYPES}/${t.prefix}nothing`), 404),
    READS,
  ),
  must(
    'types-schemas-exist',
    '7643 §6',
    'The schema of a type, and each of its extensions, is one that /Schemas lists.',
    async (t) => {
      const types = expectList(await t.get(TYPES));
      const schemas = expectList(await t.get('/Schemas'));
      for (const type of types.resources) {
        const named = [textAt(type, 'schema'), ...objectsAt(type, 'schemaExtensions').map((row) => textAt(row, 'schema'))];
        for (const urn of named) {
          expectThat(
            schemas.answer,
            schemas.ids.some((id) => same(id, urn)),
            `the schema ${urn} in /Schemas`,
            schemas.ids,
          );
        }
      }
    },
    READS,
  ),
  must(
    'types-extensions-required',
    '7643 §6',
    'Each extension of a type says whether it is required.',
    async (t) => {
      const { answer, resources } = expectList(await t.get(TYPES));
      for (const extension of resources.flatMap((type) => objectsAt(type, 'schemaExtensions'))) {
        expectThat(answer, typeof extension.required === 'boolean', 'required as a boolean', extension);
      }
    },
    READS,
  ),
  must(
    'types-endpoints-answer',
    '7643 §6',
    'The endpoint of each type can be listed.',
    async (t) => {
      const { answer, resources } = expectList(await t.get(TYPES));
      for (const type of resources) {
        const endpoint = textAt(type, 'endpoint');
        const path = endpoint.startsWith(t.world.client.url) ? endpoint.slice(t.world.client.url.length) : endpoint;
        if (!path.startsWith('/')) expectThat(answer, false, 'an endpoint relative to the base URL', endpoint);
        expectList(await t.get(path, { count: 1 }));
      }
    },
    READS,
  ),
  may(
    'types-group',
    '7643 §6',
    'There is a type for groups, with endpoint /Groups.',
    async (t) => {
      const { answer, resources } = expectList(await t.get(TYPES));
      const type = resources.find((row) => same(textAt(row, 'schema'), GROUP_URN));
      if (type === undefined) throw new NotOffered('no resource type has the Group schema');
      expectThat(answer, /\/Groups$/.test(textAt(type, 'endpoint')), 'endpoint /Groups', type.endpoint);
    },
    READS,
  ),
  must(
    'types-paging-ignored',
    '7644 §4',
    'Paging and sorting parameters do not change what /ResourceTypes lists.',
    async (t) => {
      const plain = expectList(await t.get(TYPES));
      const paged = expectList(await t.get(TYPES, { startIndex: 2, count: 0, sortBy: 'name', sortOrder: 'descending' }));
      expectEqual(
        paged.answer,
        'the same types',
        paged.resources.map((row) => row.name).sort(),
        plain.resources.map((row) => row.name).sort(),
      );
    },
    READS,
  ),
];

function objectIs(value: unknown, urn: string): boolean {
  const schemas = isObject(value) ? value.schemas : undefined;
  return Array.isArray(schemas) && schemas.includes(urn);
}

export const DISCOVERY: Subject = {
  name: 'discovery',
  title: 'Discovery: configuration and resource types',
  checks: [...CONFIG_CHECKS, ...TYPE_CHECKS, ...unfiltered],
};
