/**
 * Owns the one error that protocol code throws, and its wire form (RFC 7644 §3.12).
 * Refuses to know HTTP servers, stores and Maxio. `detail` is read by an administrator in Okta's task list or Entra's log:
 * it says what is wrong and what to do, and never repeats a value that could be personal.
 */
import type { JsonObject } from './types.ts';

const ERROR_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:Error';
const ECHO_LENGTH_MAX = 64;

/** The keywords of RFC 7644 table 9, and those of RFC 9865 for cursors. */
export type ScimType =
  | 'invalidFilter'
  | 'tooMany'
  | 'uniqueness'
  | 'mutability'
  | 'invalidSyntax'
  | 'invalidPath'
  | 'noTarget'
  | 'invalidValue'
  | 'invalidVers'
  | 'sensitive'
  | 'invalidCursor'
  | 'expiredCursor'
  | 'invalidCount';

export class ScimError extends Error {
  readonly status: number;
  readonly scimType: ScimType | undefined;
  readonly detail: string;

  constructor(status: number, detail: string, scimType?: ScimType, options?: { cause?: unknown }) {
    super(detail, options);
    this.name = 'ScimError';
    this.status = status;
    this.detail = detail;
    this.scimType = scimType;
  }
}

/** Builds the JSON body of an error; `status` is a string, as RFC 7644 §3.12 wants it. */
export function errorBody(error: ScimError): JsonObject {
  return {
    schemas: [ERROR_SCHEMA],
    status: String(error.status),
    ...(error.scimType === undefined ? {} : { scimType: error.scimType }),
    detail: error.detail,
  };
}

/** Builds the 400 for a value that its attribute cannot hold. */
export function invalidValue(detail: string): ScimError {
  return new ScimError(400, detail, 'invalidValue');
}

/** Builds the 400 for a body that is not the JSON or the message it should be. */
export function invalidSyntax(detail: string): ScimError {
  return new ScimError(400, detail, 'invalidSyntax');
}

/** Builds the 400 for a filter that cannot be parsed or evaluated. */
export function invalidFilter(detail: string): ScimError {
  return new ScimError(400, detail, 'invalidFilter');
}

/** Builds the 400 for a PATCH path that names no attribute. */
export function invalidPath(detail: string): ScimError {
  return new ScimError(400, detail, 'invalidPath');
}

/** Builds the 400 for a change of an attribute that may not change. */
export function mutability(detail: string): ScimError {
  return new ScimError(400, detail, 'mutability');
}

/** Builds the 404 for a resource that is not, or no longer, there. */
export function notFound(id: string): ScimError {
  return new ScimError(404, `Resource ${echo(id)} does not exist here. It was deleted or belongs to another SCIM connection.`);
}

/** Builds the 409 for a userName or externalId that somebody else has. */
export function uniqueness(detail: string): ScimError {
  return new ScimError(409, detail, 'uniqueness');
}

/** Builds the 412 for a write that was decided on a version which has since been changed. */
export function stale(): ScimError {
  return new ScimError(
    412,
    'The resource has changed since that version. Read it again and repeat the change on what it is now.',
  );
}

/** Builds the 413 for a request or a resource above a size limit. */
export function tooLarge(detail: string): ScimError {
  return new ScimError(413, detail);
}

/** Quotes input for a detail: at most 64 characters, anything but plain name characters shown as `?`. */
export function echo(text: string): string {
  const safe = text.slice(0, ECHO_LENGTH_MAX).replace(/[^A-Za-z0-9_.:$@ -]/g, '?');
  return `"${safe}"${text.length > ECHO_LENGTH_MAX ? '...' : ''}`;
}
