/**
 * 100,000 bodies, paths and filters of any kind, through everything of the protocol that reads them: each is understood or refused with a 4xx of ours, what
 * was refused has changed nothing, and no prototype is ever touched. FUZZ_SEED repeats a run. What a server makes of whole requests is tried in
 * integration/bad-input-fuzz.test.ts, over a socket and with a directory behind it. RFC 7644 §3.12.
 */
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { readBulk } from '../../src/scim/bulk/read-bulk.ts';
import { ScimError } from '../../src/scim/error.ts';
import { matches, parseFilters } from '../../src/scim/filter.ts';
import { applyGroupPatch } from '../../src/scim/group/patch-group.ts';
import { readGroup } from '../../src/scim/group/read-group.ts';
import { readListQuery } from '../../src/scim/list.ts';
import { parseBody } from '../../src/scim/parse-body.ts';
import { applyPatch } from '../../src/scim/patch.ts';
import { project, readProjection } from '../../src/scim/projection.ts';
import { readUser } from '../../src/scim/read-user.ts';
import { GROUP, USER } from '../../src/scim/schema.ts';
import { readSearch } from '../../src/scim/search.ts';
import { CORE_USER, ENTERPRISE_USER, type GroupAttributes, type JsonObject, type UserAttributes } from '../../src/scim/types.ts';

const SEED = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
const RUNS = { bodies: 40_000, paths: 30_000, filters: 30_000 };

const ANN: UserAttributes = {
  userName: 'ann@example.com',
  active: true,
  name: { givenName: 'Ann' },
  emails: [{ value: 'ann@example.com', type: 'work', primary: true }, { value: 'a@x' }],
  [ENTERPRISE_USER]: { manager: { value: 'm' } },
  'urn:acme:2.0:Badge': { level: [1, { x: 'y' }] },
};
const TEAM: GroupAttributes = { displayName: 'Team', externalId: 'g' };
const PRESENT: JsonObject[] = [{ value: 'p', type: 'User', display: 'P' }];
const OWN = { id: 'own' };
const BEFORE = structuredClone({ ANN, TEAM, PRESENT });

const NAMES = [
  'userName',
  'active',
  'name',
  'emails',
  'members',
  'displayName',
  'schemas',
  'id',
  'meta',
  'roles',
  'manager',
  'groups',
  'title',
  'value',
  'type',
  '$ref',
];
const ODD = [
  '__proto__',
  'constructor',
  'prototype',
  '__proto__.polluted',
  'constructor.prototype.polluted',
  'USERNAME',
  'name.givenName',
  CORE_USER,
  ENTERPRISE_USER,
  `${ENTERPRISE_USER}:manager`,
  'urn:acme:2.0:Badge',
  'urn:acme:2.0:Badge:__proto__',
  'urn:x',
  'http://x',
  '',
];
const FILTERS = ['type eq "work"', 'value co "@"', 'not (primary eq true)', 'value eq "p"', '__proto__ eq 1', 'type eq', '(('];

const name = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...NAMES) },
  { weight: 2, arbitrary: fc.constantFrom(...ODD) },
  fc.string({ maxLength: 8 }),
);
const text = fc.oneof(
  fc.constantFrom('False', 'p', '', ' ', '\u0000', '\ud800', '\u202e', 'own', 'bulkId:a', '2026-01-31'),
  fc.string({ unit: 'binary', maxLength: 8 }),
);
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 3 },
    text,
    fc.constantFrom(null, true, false, 0, -1, 1e308, Number.MAX_SAFE_INTEGER),
    fc.array(tie('json'), { maxLength: 3 }),
    fc.array(fc.tuple(name, tie('json')), { maxLength: 3 }).map((entries) => ({ entries })),
  ),
}));

/** As text, so that a key may be `__proto__`, or come twice. */
function written(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(written).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = 'entries' in value ? (value.entries as [string, unknown][]) : Object.entries(value);
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${written(inner)}`).join(',')}}`;
}

const MESSAGES = ['PatchOp', 'BulkRequest', 'SearchRequest'].map((type) => `urn:ietf:params:scim:api:messages:2.0:${type}`);
const body = fc.oneof(
  fc.array(fc.tuple(name, json), { maxLength: 6 }).map((entries) => ({ entries: [['userName', 'ann'], ...entries] })),
  fc.array(fc.tuple(name, json), { maxLength: 6 }).map((entries) => ({ entries: [['displayName', 'Team'], ...entries] })),
  fc.record(
    { schemas: fc.constant(MESSAGES), Operations: json, filter: json, count: json, attributes: json },
    { requiredKeys: ['schemas'] },
  ),
  json,
);
const path = fc.oneof(
  name,
  fc
    .tuple(name, fc.oneof(fc.constantFrom(...FILTERS), text), fc.constantFrom('', '.value', '.type', '.__proto__', '.', ']'))
    .map(([attribute, inner, tail]) => `${attribute}[${inner}]${tail}`),
  fc.string({ unit: 'binary', maxLength: 12 }),
);
const operation = fc.record(
  { op: fc.constantFrom('add', 'Replace', 'remove', 'x'), path, value: json },
  { requiredKeys: ['op'] },
);
const word = fc.oneof(
  name,
  fc.constantFrom(
    'eq',
    'ne',
    'co',
    'sw',
    'ew',
    'gt',
    'le',
    'pr',
    'and',
    'or',
    'not',
    '(',
    ')',
    '[',
    ']',
    '.value',
    '"',
    '"p"',
    'true',
    'null',
    '1',
    '\\',
    ' ',
  ),
);
const filter = fc.oneof(
  fc
    .tuple(
      name,
      fc.constantFrom('eq', 'NE', 'co', 'gt', 'pr'),
      text.map((each) => JSON.stringify(each)),
    )
    .map((words) => words.join(' ')),
  fc.array(word, { maxLength: 12 }).map((words) => words.join(' ')),
  fc.array(word, { maxLength: 12 }).map((words) => words.join('')),
  fc.string({ unit: 'binary', maxLength: 30 }),
);

/** What may be refused, and only so. */
function understood<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof ScimError)) throw error;
    expect(error.status).toBeGreaterThanOrEqual(400);
    expect(error.status).toBeLessThan(500);
    expect(error.detail.length).toBeGreaterThan(10);
    return undefined;
  }
}

/** Every way into the protocol, with the same input; tells how many of them took it. */
function taken(...ways: (() => unknown)[]): number {
  return ways.filter((way) => understood(way) !== undefined).length;
}

afterEach(() => {
  for (const builtin of [Object, Array, String, Function]) {
    const strange = [...Object.keys(builtin.prototype), ...Object.keys(builtin)];
    expect(strange).toEqual([]);
  }
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  expect({ ANN, TEAM, PRESENT }, 'what others have stored').toEqual(BEFORE);
});

test(`${RUNS.bodies} bodies (seed ${SEED})`, () => {
  let count = 0;
  fc.assert(
    fc.property(body, (value) => {
      const parsed = understood(() => parseBody(Buffer.from(written(value))));
      if (parsed === undefined) return;
      const before = structuredClone(parsed);
      count += taken(
        () => readUser(parsed),
        () => readUser(parsed, ANN),
        () => readGroup(parsed),
        () => readBulk(parsed),
        () => readListQuery(readSearch(parsed)),
      );
      expect(parsed).toEqual(before);
    }),
    { seed: SEED, numRuns: RUNS.bodies },
  );
  expect(count).toBeGreaterThan(RUNS.bodies / 10);
}, 300_000);

test(`${RUNS.paths} paths (seed ${SEED})`, () => {
  let count = 0;
  fc.assert(
    fc.property(fc.array(operation, { minLength: 1, maxLength: 3 }), (operations) => {
      const parsed = understood(() => parseBody(Buffer.from(written({ schemas: MESSAGES, Operations: operations }))));
      if (parsed === undefined) return;
      count += taken(
        () => readUser(applyPatch(ANN, parsed, OWN)),
        () => applyGroupPatch(TEAM, parsed, OWN),
        () => applyGroupPatch(TEAM, parsed, { ...OWN, present: PRESENT }),
      );
    }),
    { seed: SEED, numRuns: RUNS.paths },
  );
  expect(count).toBeGreaterThan(RUNS.paths / 10);
}, 300_000);

test(`${RUNS.filters} filters (seed ${SEED})`, () => {
  let count = 0;
  fc.assert(
    fc.property(filter, (asked) => {
      count += taken(
        () => parseFilters(asked, [USER]).map((each) => matches(each, ANN)),
        () => parseFilters(asked, [USER, GROUP]).map((each) => matches(each, TEAM)),
        () => project(ANN, readProjection({ attributes: asked })),
        () => readListQuery({ sortBy: asked, excludedAttributes: asked }),
      );
    }),
    { seed: SEED, numRuns: RUNS.filters },
  );
  expect(count).toBeGreaterThan(RUNS.filters / 10);
}, 300_000);
