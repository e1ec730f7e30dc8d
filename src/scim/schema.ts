/**
 * Owns the look-up of attributes by name: the known schemas, and how a name in a filter, a PATCH path, a body or a projection
 * becomes a place in the table. Names and URNs compare without case (RFC 7643 §2.1, RFC 7644 §3.10).
 * Refuses to read or judge values, and to throw: each caller has its own error keyword for a bad name.
 */

import { isUnsafeName } from './json.ts';
import type { Attribute } from './schema/attribute.ts';
import { BILLING_ATTRIBUTES } from './schema/billing.ts';
import { COMMON_ATTRIBUTES } from './schema/common.ts';
import { GROUP_ATTRIBUTES } from './schema/group.ts';
import { ENTERPRISE_ATTRIBUTES, USER_ATTRIBUTES } from './schema/user.ts';
import { BILLING_USER, CORE_GROUP, CORE_USER, ENTERPRISE_USER } from './types.ts';

export type { Attribute } from './schema/attribute.ts';

export interface Schema {
  urn: string;
  name: string;
  description: string;
  attributes: readonly Attribute[];
}

export interface ResourceType {
  name: 'User' | 'Group';
  endpoint: '/Users' | '/Groups';
  description: string;
  /** Core first. */
  schemas: readonly [Schema, ...Schema[]];
}

export const USER: ResourceType = {
  name: 'User',
  endpoint: '/Users',
  description: 'A person who becomes a Maxio customer.',
  schemas: [
    { urn: CORE_USER, name: 'User', description: 'A person who becomes a Maxio customer.', attributes: USER_ATTRIBUTES },
    {
      urn: ENTERPRISE_USER,
      name: 'EnterpriseUser',
      description: 'The person as an employee.',
      attributes: ENTERPRISE_ATTRIBUTES,
    },
    {
      urn: BILLING_USER,
      name: 'BillingUser',
      description: 'What is true of the person at Maxio.',
      attributes: BILLING_ATTRIBUTES,
    },
  ],
};

export const GROUP: ResourceType = {
  name: 'Group',
  endpoint: '/Groups',
  description: 'People who are provisioned together; a group may decide their plan.',
  schemas: [{ urn: CORE_GROUP, name: 'Group', description: 'A group of people.', attributes: GROUP_ATTRIBUTES }],
};

export const RESOURCE_TYPES: readonly ResourceType[] = [USER, GROUP];

const byName = (attributes: readonly Attribute[]) => new Map(attributes.map((row) => [row.name.toLowerCase(), row]));
type Table = ReadonlyMap<string, ReadonlyMap<string, Attribute>>;
/** Each type knows its own schemas only: to a user the group schema is one extension of many that we do not know. */
const TABLES: Readonly<Record<ResourceType['name'], Table>> = { User: tableOf(USER), Group: tableOf(GROUP) };

function tableOf({ schemas: [core, ...extensions] }: ResourceType): Table {
  return new Map([
    [core.urn, byName([...COMMON_ATTRIBUTES, ...core.attributes])],
    ...extensions.map(({ urn, attributes }) => [urn, byName(attributes)] as const),
  ]);
}

const URI = /^(?:urn:|https?:\/\/)[\x21-\x7e]+$/i;
const NAME = /^[A-Za-z$_][\w$-]*$/;
/** Enterprise attributes that clients also name without the URN. */
const BARE_ENTERPRISE_NAMES = new Set(['manager']);

/** Where a name points. Without `attribute` it is the schema itself; without `definition` the table does not know the attribute. */
export interface Reference {
  urn: string;
  attribute?: string;
  definition?: Attribute;
  sub?: string;
  subDefinition?: Attribute;
}

/** Tells whether a key is a schema URI rather than an attribute name. */
export function isUri(name: string): boolean {
  return URI.test(name);
}

/** Names the core schema of a type. */
export function coreOf(type: ResourceType): string {
  return type.schemas[0].urn;
}

/** Tells whether a URN is one whose attributes we know completely. */
export function isKnownSchema(urn: string, type: ResourceType = USER): boolean {
  return TABLES[type.name].has(urn);
}

/** Tells whether clients may say nothing at all in a schema. */
export function isReadOnlySchema(urn: string, type: ResourceType = USER): boolean {
  const rows = type.schemas.find((row) => row.urn === urn)?.attributes ?? [];
  return rows.length > 0 && rows.every(({ mutability }) => mutability === 'readOnly');
}

/** Finds an attribute of a schema, in any letter case. */
export function findAttribute(urn: string, name: string, type: ResourceType = USER): Attribute | undefined {
  return TABLES[type.name].get(urn)?.get(name.toLowerCase());
}

/** Finds a sub-attribute, in any letter case. */
export function findSubAttribute(definition: Attribute | undefined, name: string): Attribute | undefined {
  const wanted = name.toLowerCase();
  return definition?.subAttributes?.find((row) => row.name.toLowerCase() === wanted);
}

/**
 * Resolves `attr`, `attr.sub`, `URN`, `URN:attr`, `URN:attr.sub` and the legacy `URN.attr`; undefined when malformed or unsafe.
 * An unknown URN is split at its last colon, unless `urns` (those with values on the resource at hand) says where it ends.
 */
export function resolveName(name: string, urns: readonly string[] = [], type: ResourceType = USER): Reference | undefined {
  const core = coreOf(type);
  const parts = isUri(name) ? splitUri(name, urns, type) : { urn: core, rest: name };
  if (parts === undefined) return undefined;
  if (parts.rest === '') return parts.urn === core && !isUri(name) ? undefined : { urn: parts.urn };
  const [attribute, sub, ...more] = parts.rest.split('.');
  if (attribute === undefined || more.length > 0 || !isName(attribute) || (sub !== undefined && !isName(sub))) return undefined;
  const urn = parts.urn === CORE_USER && BARE_ENTERPRISE_NAMES.has(attribute.toLowerCase()) ? ENTERPRISE_USER : parts.urn;
  return describe(urn, attribute, sub, type);
}

function isName(text: string): boolean {
  return NAME.test(text) && !isUnsafeName(text);
}

function describe(urn: string, attribute: string, sub: string | undefined, type: ResourceType): Reference {
  const definition = findAttribute(urn, attribute, type);
  const reference: Reference = { urn, attribute: definition?.name ?? attribute };
  if (definition !== undefined) reference.definition = definition;
  if (sub === undefined) return reference;
  const subDefinition = findSubAttribute(definition, sub);
  reference.sub = subDefinition?.name ?? sub;
  if (subDefinition !== undefined) reference.subDefinition = subDefinition;
  return reference;
}

function longer(one: string | undefined, other: string): string {
  return one === undefined || other.length > one.length ? other : one;
}

function splitUri(name: string, urns: readonly string[], type: ResourceType): { urn: string; rest: string } | undefined {
  const lower = name.toLowerCase();
  const isBeginning = (urn: string): boolean => {
    const separator = name[urn.length];
    return (separator === undefined || separator === ':' || separator === '.') && lower.startsWith(urn.toLowerCase());
  };
  // Known schemas first, then the longest: one URN may be the beginning of another.
  const known = TABLES[type.name].keys().find(isBeginning);
  const urn = known ?? urns.filter(isBeginning).reduce<string | undefined>(longer, undefined);
  if (urn !== undefined) return { urn, rest: name.slice(urn.length + 1) };
  if (/^https?:/i.test(name)) return { urn: name, rest: '' };
  const colon = name.lastIndexOf(':');
  const rest = name.slice(colon + 1);
  return rest === '' ? undefined : { urn: name.slice(0, colon), rest };
}
