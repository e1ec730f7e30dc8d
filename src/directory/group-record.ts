/**
 * Owns the shape of one group in the directory, and its translation from a Redis hash. Members are not part of it: a list of groups must not cost
 * the people in them. Refuses half-understood records, as record-codec.ts does. Fields written by the scripts: see group-commit.lua.
 */
import type { GroupAttributes } from '../scim/types.ts';
import { SCHEMA_VERSION } from './record.ts';

export interface GroupRecord {
  id: string;
  /** Raised by every change of the group, its members included. */
  generation: number;
  attributes: GroupAttributes;
  /** Schemas the client has named besides the core one and without a value under them (Entra ID does), kept as sent. */
  extraSchemas: string[];
  createdAtMs: number;
  modifiedAtMs: number;
  /** Id of the SCIM request that made this generation. */
  requestId: string;
  /** Of the write that changed it last; '' from before there were such words. */
  write: string;
  /** How many people are in it. */
  size: number;
}

/** By what a group is known elsewhere: on a person, and in the mapping of groups to products. */
export interface GroupLabel {
  displayName: string;
  externalId?: string;
}

/** As attributes are stored: what else is known of the body stands beside them under a name that no body can set. */
export function encodeGroup(attributes: GroupAttributes, extraSchemas: readonly string[]): string {
  return JSON.stringify(extraSchemas.length === 0 ? attributes : { ...attributes, schemas: extraSchemas });
}

/** Decode one HGETALL answer; `undefined` when there is no such group. */
export function decodeGroup(fields: Record<string, string>): GroupRecord | undefined {
  const { id, v, attrs } = fields;
  if (id === undefined || attrs === undefined) return undefined;
  const schemaVersion = Number(v);
  if (schemaVersion > SCHEMA_VERSION) {
    throw new Error(`a group has schema version ${schemaVersion}, this release knows ${SCHEMA_VERSION}: upgrade this process`);
  }
  const { schemas, ...attributes } = JSON.parse(attrs) as GroupAttributes & { schemas?: string[] };
  return {
    id,
    generation: Number(fields.gen),
    attributes: attributes as GroupAttributes,
    extraSchemas: schemas ?? [],
    createdAtMs: Number(fields.created),
    modifiedAtMs: Number(fields.modified),
    requestId: fields.request ?? '',
    write: fields.write ?? '',
    size: Number(fields.size ?? 0),
  };
}

export function labelOf(attributes: GroupAttributes): GroupLabel {
  const { displayName, externalId } = attributes;
  return { displayName, ...(typeof externalId === 'string' ? { externalId } : {}) };
}
