/**
 * Owns which writes only say that somebody leaves: a DELETE, and a small PATCH or PUT that sets `active` to false. For them there is room in Redis when there
 * is none for anything else, so what is not certain is no leave. Refuses to decide what a write does (scim/patch, scim/read-user). RFC 7643 §4.1.1.
 */
import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from '../scim/types.ts';

/** Larger ones could fill the room that is kept for leavers. */
const CHARACTERS_MAX = 8_192;

/** Reads the request for one person. @param body undefined where there is none */
export function leaves(method: string, body: unknown): boolean {
  if (method === 'DELETE') return true;
  const sent = lowered(body);
  if (method === 'PUT') return isOff(sent.active) && JSON.stringify(body).length <= CHARACTERS_MAX;
  const { operations } = sent;
  return method === 'PATCH' && Array.isArray(operations) && operations.length === 1 && isOffOperation(lowered(operations[0]));
}

function isOffOperation({ op, path, value }: Record<string, unknown>): boolean {
  if (typeof op !== 'string' || !/^(replace|add)$/i.test(op)) return false;
  if (path === undefined) return isDeepStrictEqual(Object.keys(lowered(value)), ['active']) && isOff(lowered(value).active);
  return typeof path === 'string' && path.toLowerCase() === 'active' && isOff(value);
}

/** Entra ID sends texts. */
function isOff(value: unknown): boolean {
  return value === false || (typeof value === 'string' && value.toLowerCase() === 'false');
}

function lowered(value: unknown): Record<string, unknown> {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return {};
  return Object.fromEntries(Object.entries(value as JsonObject).map(([name, inner]) => [name.toLowerCase(), inner]));
}
