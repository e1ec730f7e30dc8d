/**
 * Owns the reading of a bulk request: the message as a whole, and each operation by itself, so that one which makes no sense does not keep the
 * others from being done. Refuses to read `data`, which is read by whoever reads the same body of a single request. RFC 7644 §3.7.
 */
import { BULK_LIMITS } from '../bulk-limits.ts';
import { echo, invalidSyntax, invalidValue, ScimError, tooLarge } from '../error.ts';
import { findValue, isObject, isUnassigned } from '../json.ts';
import { RESOURCE_TYPES, type ResourceType } from '../schema.ts';
import type { Json, JsonObject } from '../types.ts';

const BULK_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest';
const BULK_ID_LENGTH_MAX = 255;
const METHODS = ['POST', 'PUT', 'PATCH', 'DELETE'] as const;

export type BulkMethod = (typeof METHODS)[number];

/** One operation that makes sense by itself. */
export interface BulkWrite {
  method: BulkMethod;
  type: ResourceType;
  /** As the path has it, a reference perhaps; empty for a POST. */
  id: string;
  /** Undefined for a DELETE. */
  data: JsonObject | undefined;
  /** The version the client has seen, as in If-Match. */
  version: string | undefined;
}

export interface BulkOperation {
  /** Its place in the request, from 1. */
  number: number;
  /** These two come back with the answer. */
  method: string | undefined;
  bulkId: string | undefined;
  wanted: BulkWrite | ScimError;
}

export interface BulkRequest {
  operations: BulkOperation[];
  /** With so many errors the rest is left alone; undefined: everything is tried. */
  failOnErrors: number | undefined;
}

/** Reads a BulkRequest. Throws ScimError 400 for another message, and 413 for more operations than `maxOperations`. */
export function readBulk(body: JsonObject): BulkRequest {
  const schemas = findValue(body, 'schemas');
  const list = Array.isArray(schemas) ? schemas : [schemas];
  if (!list.some((urn) => typeof urn === 'string' && urn.toLowerCase() === BULK_SCHEMA.toLowerCase())) {
    throw invalidSyntax(`A bulk request must have "schemas": ["${BULK_SCHEMA}"].`);
  }
  const operations = findValue(body, 'operations');
  if (!Array.isArray(operations)) throw invalidSyntax('A bulk request must have "Operations", a list.');
  const { maxOperations } = BULK_LIMITS;
  if (operations.length > maxOperations) {
    const { length } = operations;
    throw tooLarge(`The request has ${length} operations; maxOperations is ${maxOperations}. Split the request.`);
  }
  const failOnErrors = readFailOnErrors(findValue(body, 'failOnErrors'));
  return { operations: withoutTwins(operations.map(readOperation)), failOnErrors };
}

function readFailOnErrors(raw: Json | undefined): number | undefined {
  if (isUnassigned(raw)) return undefined;
  if (typeof raw === 'number' && Number.isSafeInteger(raw) && raw > 0) return raw;
  throw invalidValue('failOnErrors must be a whole number from 1 on: with so many errors the rest is left alone.');
}

function readOperation(raw: Json, index: number): BulkOperation {
  const operation = isObject(raw) ? raw : {};
  const method = findValue(operation, 'method');
  const bulkId = findValue(operation, 'bulkId');
  const told = {
    number: index + 1,
    method: typeof method === 'string' && /^[A-Za-z]{1,16}$/.test(method) ? method.toUpperCase() : undefined,
    bulkId: typeof bulkId === 'string' && bulkId !== '' && bulkId.length <= BULK_ID_LENGTH_MAX ? bulkId : undefined,
  };
  try {
    return { ...told, wanted: readWrite(operation, told) };
  } catch (error) {
    if (!(error instanceof ScimError)) throw error;
    return { ...told, wanted: error };
  }
}

function readWrite(operation: JsonObject, told: Omit<BulkOperation, 'wanted'>): BulkWrite {
  const method = METHODS.find((each) => each === told.method);
  if (method === undefined) throw invalidSyntax('An operation must have a method: POST, PUT, PATCH or DELETE.');
  if (method === 'POST' && told.bulkId === undefined) {
    throw invalidSyntax(`A POST must have a bulkId: a text of up to ${BULK_ID_LENGTH_MAX} characters, unique in the request.`);
  }
  const { type, id } = readPath(findValue(operation, 'path'));
  if (method === 'POST' && id !== '') {
    throw new ScimError(405, `POST is not possible on one resource. Its path is ${type.endpoint}.`);
  }
  if (method !== 'POST' && id === '') throw new ScimError(405, `${method} needs the path of one resource: ${type.endpoint}/id.`);
  const data = findValue(operation, 'data');
  if (method !== 'DELETE' && !isObject(data)) throw invalidSyntax(`${method} needs data, the JSON object of the request alone.`);
  const version = findValue(operation, 'version');
  if (!isUnassigned(version) && typeof version !== 'string') throw invalidSyntax('version must be a text.');
  return {
    method,
    type,
    id,
    data: method !== 'DELETE' && isObject(data) ? data : undefined,
    version: typeof version === 'string' && version.trim() !== '' ? version : undefined,
  };
}

/** Reads `/Users`, `/Users/id` and `/Users/bulkId:x`. */
function readPath(raw: Json | undefined): { type: ResourceType; id: string } {
  if (typeof raw !== 'string' || raw === '') throw invalidSyntax('An operation must have a path, such as /Users or /Groups/id.');
  const [, name = '', id = ''] = /^\/?([^/?]*)(?:\/(.*?))?\/?$/s.exec(raw) ?? [];
  const type = RESOURCE_TYPES.find(({ endpoint }) => endpoint === `/${name}`);
  if (type !== undefined) return { type, id: decoded(id) };
  if (name === 'Bulk') throw invalidSyntax('A bulk request cannot hold another one. Put its operations into this one.');
  if (name === 'Me') throw new ScimError(501, 'There is no "me" for a provisioning token; use the path of the person.');
  throw new ScimError(404, 'There is no such endpoint. Operations are on /Users and /Groups, relative to the SCIM base path.');
}

/** As the router does with an address; what cannot be decoded is no id of ours. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** Of two creations with the same bulkId nobody could say which one is meant, so neither is done. */
function withoutTwins(operations: BulkOperation[]): BulkOperation[] {
  const counts = new Map<string, number>();
  for (const operation of operations) {
    if (isCreation(operation)) counts.set(operation.bulkId, (counts.get(operation.bulkId) ?? 0) + 1);
  }
  return operations.map((operation) => {
    if (!isCreation(operation) || counts.get(operation.bulkId) === 1) return operation;
    return { ...operation, wanted: invalidValue(`Two operations have the bulkId ${echo(operation.bulkId)}. Give each its own.`) };
  });
}

/** Tells whether an operation makes something that others may refer to. */
export function isCreation(operation: BulkOperation): operation is BulkOperation & { bulkId: string } {
  return operation.method === 'POST' && operation.bulkId !== undefined;
}
