/**
 * Owns the shape of a SCIM id in a path: ours are lower-case UUIDs, so everything else is an unknown id before any look-up.
 * Refuses to know how ids are made. RFC 7643 §3.1: ids are case-exact.
 */
const SHAPE = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Tells whether a path segment can be one of our ids. */
export function isScimId(segment: unknown): segment is string {
  return typeof segment === 'string' && SHAPE.test(segment);
}
