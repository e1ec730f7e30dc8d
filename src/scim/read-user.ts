/**
 * Owns what a User needs beyond the reading of any resource: a userName, and an `active` that is always a boolean.
 * Refuses to know who exists. RFC 7643 §4.1; RFC 7644 §3.3, §3.5.1.
 */
import { invalidValue } from './error.ts';
import { readResource } from './read-resource.ts';
import { USER } from './schema.ts';
import type { JsonObject, UserAttributes } from './types.ts';

/**
 * Reads a POST body, or a PUT body when `previous` is given: without `active` or `externalId` a PUT keeps the previous ones.
 * Throws ScimError 400 invalidValue or invalidSyntax, and 413 for a user above 192 KiB.
 */
export function readUser(body: JsonObject, previous?: UserAttributes): UserAttributes {
  const { attributes, given } = readResource(body, USER);
  if (previous?.externalId !== undefined && !given.has('externalId')) attributes.externalId = previous.externalId;
  const { userName, active } = attributes;
  if (typeof userName !== 'string')
    throw invalidValue('userName is missing or empty. Map an attribute that every person has to userName.');
  return { ...attributes, userName, active: typeof active === 'boolean' ? active : (previous?.active ?? true) };
}
