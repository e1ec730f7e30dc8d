/**
 * Owns PATCH as a whole: the message, the order of its operations, and that either all of them take effect or none.
 * Refuses to know how one operation changes one attribute, and what the store does. RFC 7644 §3.5.2.
 */
import { echo, invalidSyntax, ScimError, tooLarge } from './error.ts';
import { findValue, isObject, isUnassigned } from './json.ts';
import { applyOperation, type Operation } from './patch/apply-operation.ts';
import { Effort } from './patch/effort.ts';
import { readUser } from './read-user.ts';
import { USER } from './schema.ts';
import type { Json, JsonObject, UserAttributes } from './types.ts';

const PATCH_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
const OPERATIONS_MAX = 1_000;

/**
 * Applies a PatchOp body and returns the new attributes; `current` is never changed, and an equal object comes back when nothing changed.
 * Throws ScimError 400 (its detail names the operation), and 413 for more than 1,000 operations or too much to compare. `own.id` is the id of the resource.
 */
export function applyPatch(current: UserAttributes, body: JsonObject, own: { id: string; effort?: Effort }): UserAttributes {
  const draft: JsonObject = structuredClone(current);
  const { id, effort = new Effort() } = own;
  eachOperation(body, (operation) => applyOperation(draft, operation, { id, type: USER, effort }));
  // Without `previous`: what an operation removed must not come back.
  return readUser(draft);
}

/** Reads the operations of a PatchOp body in order; whatever `apply` throws names the operation. Throws ScimError 400 and 413 as above. */
export function eachOperation(body: JsonObject, apply: (operation: Operation) => void): void {
  const operations = readOperations(body);
  operations.forEach((raw, index) => {
    inOperation(index + 1, operations.length, () => apply(readOperation(raw)));
  });
}

function readOperations(body: JsonObject): Json[] {
  const schemas = findValue(body, 'schemas');
  const list = Array.isArray(schemas) ? schemas : [schemas];
  if (!list.some((urn) => typeof urn === 'string' && urn.toLowerCase() === PATCH_SCHEMA.toLowerCase())) {
    throw invalidSyntax(`A PATCH body must have "schemas": ["${PATCH_SCHEMA}"].`);
  }
  const operations = findValue(body, 'operations');
  if (!Array.isArray(operations) || operations.length === 0) {
    throw invalidSyntax('A PATCH body must have "Operations", a list with at least one operation.');
  }
  if (operations.length > OPERATIONS_MAX) throw tooLarge(`A PATCH may have ${OPERATIONS_MAX} operations. Split the request.`);
  return operations;
}

function readOperation(raw: Json): Operation {
  if (!isObject(raw)) throw invalidSyntax('An operation must be an object with op, path and value.');
  const op = findValue(raw, 'op');
  const path = findValue(raw, 'path');
  const name = typeof op === 'string' ? op.toLowerCase() : '';
  if (name !== 'add' && name !== 'replace' && name !== 'remove') {
    throw invalidSyntax(`op must be add, replace or remove${typeof op === 'string' ? `, not ${echo(op)}` : ''}.`);
  }
  if (!isUnassigned(path) && typeof path !== 'string') throw new ScimError(400, 'path must be a text.', 'invalidPath');
  return { op: name, path: typeof path === 'string' && path.trim() !== '' ? path : undefined, value: findValue(raw, 'value') };
}

/** Runs one operation and puts its number in front of what went wrong. */
function inOperation(number: number, total: number, run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof ScimError)) throw error;
    throw new ScimError(error.status, `Operation ${number} of ${total}: ${error.detail}`, error.scimType, { cause: error });
  }
}
