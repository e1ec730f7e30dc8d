/**
 * Owns one PATCH operation on a draft of the attributes: which attribute it means, whether it may change, and which kind of change
 * (one value, a complex value, a list, a whole schema) applies. Refuses to know the message around it. RFC 7644 §3.5.2.1-3.
 */
import { echo, invalidPath, invalidValue, mutability, ScimError } from '../error.ts';
import { matches } from '../filter/matches.ts';
import { findKey, hasUnsafeSegment, isObject, isUnassigned, ownValue } from '../json.ts';
import { type PatchPath, parsePath } from '../path.ts';
import { asElement, readValue } from '../read-value.ts';
import { coreOf, isKnownSchema, isReadOnlySchema, isUri, type ResourceType, resolveName } from '../schema.ts';
import type { Json, JsonObject } from '../types.ts';
import type { Effort } from './effort.ts';
import { elementFrom, mergeComplex, type OperationKind, patchList } from './patch-list.ts';

export interface Operation {
  op: OperationKind;
  path: string | undefined;
  value: Json | undefined;
}

/** What is known of the resource itself. */
interface Own {
  id: string;
  type: ResourceType;
  /** Of the whole request. */
  effort: Effort;
}

/** Accepted anywhere and without effect: derived by us, or never stored. */
const IGNORED = new Set(['schemas', 'password', 'groups']);
const WHOLE: Readonly<Record<ResourceType['name'], string>> = {
  User: 'A user cannot be removed by PATCH. Use DELETE, or set active to false.',
  Group: 'A group cannot be removed by PATCH. Use DELETE.',
};
/** Begins like a path; keys that do not are attributes we know nothing about. */
const PATH_LIKE = /^[A-Za-z$_][\w$-]*(?:[.[]|$)/;

/** Applies one operation to the draft in place. Throws ScimError 400 invalidPath, invalidFilter, invalidValue, mutability or noTarget. */
export function applyOperation(draft: JsonObject, operation: Operation, own: Own): void {
  const { op, path, value } = operation;
  if (path !== undefined) {
    applyAt(draft, op, pathIn(draft, path, value, own), value, own);
    return;
  }
  if (op === 'remove') throw new ScimError(400, 'remove needs a path. Name the attribute to remove.', 'noTarget');
  if (!isObject(value)) throw invalidValue(`${op} without a path needs an object of attributes as its value.`);
  applyEach(draft, op, value, own);
}

/** Applies a value without a path: each of its keys is an attribute, or a path of its own. */
function applyEach(draft: JsonObject, op: OperationKind, value: JsonObject, own: Own): void {
  for (const [key, inner] of Object.entries(value)) {
    if (hasUnsafeSegment(key.split('[', 1)[0] ?? '')) throw invalidPath(`The attribute name ${echo(key)} is not allowed.`);
    if (key.toLowerCase() === 'id' && inner === own.id) continue;
    if (isPathLike(key)) applyAt(draft, op, pathIn(draft, key, inner, own), inner, own);
    // Not a path: an attribute we know nothing about, kept as POST and PUT keep it.
    else setOrDelete(draft, key, readValue(inner, undefined, echo(key)));
  }
}

function isPathLike(key: string): boolean {
  return isUri(key) || PATH_LIKE.test(key);
}

function pathIn(draft: JsonObject, path: string, value: Json | undefined, { type, effort }: Own): PatchPath {
  effort.path(path);
  // Only a path that names a schema itself needs to know which others there are.
  if (!isUri(path.trim())) return parsePath(path, [], type);
  effort.resource(draft);
  return parsePath(path, urnsFor(draft, path, value, type), type);
}

/** Lists the URNs that may stand in a path: those with values here, and the whole path when an object is to go under a new one. */
function urnsFor(draft: JsonObject, path: string, value: Json | undefined, type: ResourceType): string[] {
  const text = path.trim().toLowerCase();
  const present = Object.keys(draft).filter((key) => isSchemaIn(text, key) && isUri(key) && isObject(draft[key]));
  if (!isUri(path) || !isObject(value) || path.includes('[')) return present;
  const plain = resolveName(path, present, type);
  const isBelowKnown = plain !== undefined && (isKnownSchema(plain.urn, type) || present.includes(plain.urn));
  return isBelowKnown ? present : [...present, path];
}

/** Tells whether a path may be one of an attribute of this schema. */
function isSchemaIn(path: string, urn: string): boolean {
  const next = path[urn.length];
  return (next === undefined || next === ':' || next === '.' || next === '[') && path.startsWith(urn.toLowerCase());
}

function applyAt(draft: JsonObject, op: OperationKind, path: PatchPath, value: Json | undefined, own: Own): void {
  const { attribute, definition, urn } = path;
  if (op !== 'remove' && value === undefined) throw invalidValue(`${op} needs a value. To remove an attribute use remove.`);
  // What we tell of billing is nobody's to change; a client that maps it all the same must not lose what stands beside it.
  if (isReadOnlySchema(urn, own.type)) return;
  if (attribute === undefined) {
    applyToSchema(draft, op, urn, value, own);
    return;
  }
  if (definition !== undefined && IGNORED.has(definition.name)) return;
  if (definition?.mutability === 'readOnly') {
    throw mutability(`${definition.name} is set by this service and cannot be changed. Remove it from the mapping.`);
  }
  if (urn === coreOf(own.type)) {
    applyToAttribute(draft, op, path, attribute, value, own);
    return;
  }
  const key = findKey(draft, urn) ?? urn;
  const existing = ownValue(draft, key);
  const container = isObject(existing) ? existing : {};
  applyToAttribute(container, op, path, attribute, value, own);
  setOrDelete(draft, key, Object.keys(container).length === 0 ? undefined : container);
}

/** Applies to all attributes of a schema: `path` or key is the bare URN. Attributes that are not named stay. */
function applyToSchema(draft: JsonObject, op: OperationKind, urn: string, value: Json | undefined, own: Own): void {
  if (op === 'remove' || isUnassigned(value)) {
    if (urn === coreOf(own.type)) throw mutability(WHOLE[own.type.name]);
    setOrDelete(draft, findKey(draft, urn) ?? urn, undefined);
    return;
  }
  if (!isObject(value))
    throw invalidValue(
      `${isKnownSchema(urn, own.type) ? urn : 'An extension schema'} needs an object of attributes as its value.`,
    );
  if (urn === coreOf(own.type)) {
    applyEach(draft, op, value, own);
    return;
  }
  for (const [key, inner] of Object.entries(value)) {
    const path =
      isKnownSchema(urn, own.type) && PATH_LIKE.test(key) ? parsePath(`${urn}:${key}`, [], own.type) : { urn, attribute: key };
    applyAt(draft, op, path, inner, own);
  }
}

function applyToAttribute(
  container: JsonObject,
  op: OperationKind,
  path: PatchPath,
  attribute: string,
  value: Json | undefined,
  { effort }: Own,
): void {
  const { definition, filter } = path;
  if (definition === undefined) effort.through(container);
  const key = definition === undefined ? (findKey(container, attribute) ?? attribute) : attribute;
  const existing = ownValue(container, key);
  if (op === 'remove') refuseRemoval(path, attribute);
  // A replace of the whole looks at nothing that is there.
  if (filter !== undefined || path.sub !== undefined || op !== 'replace') effort.through(existing);
  setOrDelete(container, key, changed(existing, op, path, value, effort));
  if (definition?.required === true && ownValue(container, key) === undefined) {
    throw invalidValue(`${definition.name} cannot be empty. Map an attribute that always has a value.`);
  }
}

function refuseRemoval({ definition }: PatchPath, attribute: string): void {
  if (definition?.rule === 'switch') {
    throw invalidValue(`${attribute} cannot be removed. Set it to true or false.`);
  }
  if (definition?.required === true) throw mutability(`${attribute} is required and cannot be removed.`);
}

/** Works out the new value of an attribute; undefined means unassigned. */
function changed(
  existing: Json | undefined,
  op: OperationKind,
  path: PatchPath,
  value: Json | undefined,
  effort: Effort,
): Json | undefined {
  const { definition, filter, sub } = path;
  const label = definition?.name ?? 'The attribute';
  if (definition?.multiValued === true || (definition === undefined && (Array.isArray(existing) || filter !== undefined))) {
    const present = Array.isArray(existing) ? existing : existing === undefined ? [] : [existing];
    const list = patchList(present, op, path, value, effort);
    return list.length === 0 ? undefined : list;
  }
  if (filter !== undefined) return changedWhere(existing, op, path, value, effort);
  if (sub !== undefined) return changedPart(existing, op, path, sub, value);
  if (op === 'remove') return undefined;
  if (definition?.type === 'complex' || (isObject(existing) && isObject(value)))
    return mergeComplex(existing, definition, value ?? null, effort);
  return readValue(value ?? null, definition, label);
}

/** Changes a single complex value only if it fulfils the filter; a missing one is created, as for an element of a list. */
function changedWhere(
  existing: Json | undefined,
  op: OperationKind,
  path: PatchPath,
  value: Json | undefined,
  effort: Effort,
): Json | undefined {
  const { definition, filter, sub } = path;
  const isChosen = isObject(existing) && filter !== undefined && matches(filter, existing, effort.folds);
  if (!isChosen && (op === 'remove' || isUnassigned(value))) return existing;
  const base = isChosen || filter === undefined ? existing : elementFrom(filter);
  if (sub !== undefined) return changedPart(base, op, path, sub, value);
  return op === 'remove' ? undefined : mergeComplex(base, definition, asElement(value ?? null, definition), effort);
}

function changedPart(
  existing: Json | undefined,
  op: OperationKind,
  path: PatchPath,
  sub: string,
  value: Json | undefined,
): Json | undefined {
  const { definition, subDefinition } = path;
  if (definition !== undefined && definition.type !== 'complex') {
    throw invalidPath(`${definition.name} has no sub-attributes. Use the path ${definition.name} alone.`);
  }
  const next: JsonObject = isObject(existing) ? { ...existing } : {};
  const key = subDefinition?.name ?? findKey(next, sub) ?? sub;
  setOrDelete(next, key, op === 'remove' ? undefined : readValue(value ?? null, subDefinition, key));
  return Object.keys(next).length === 0 ? undefined : next;
}

function setOrDelete(target: JsonObject, key: string, value: Json | undefined): void {
  if (hasUnsafeSegment(key)) throw invalidPath(`The attribute name ${echo(key)} is not allowed.`);
  if (value === undefined) delete target[key];
  else target[key] = value;
}
