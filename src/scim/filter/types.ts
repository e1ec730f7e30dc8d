/**
 * Owns the shape of a parsed filter: every name resolved, every value converted to what its attribute holds. No behaviour.
 * Plain JSON, so that it can be logged without its values, compared and copied. RFC 7644 §3.4.2.2.
 */

export type Comparison = 'eq' | 'ne' | 'co' | 'sw' | 'ew' | 'gt' | 'ge' | 'lt' | 'le';

/**
 * How a value compares. `folded`: without regard to case; `exact`: byte for byte; `instant`: as ms since 1970;
 * `boolean`; `unknown`: an attribute of a schema we do not know, compared by what is stored.
 */
export type ComparisonKind = 'folded' | 'exact' | 'instant' | 'boolean' | 'unknown';

/** Keys from the resource (or, inside a value path, from the element) down to the value. */
export type Steps = readonly string[];

export type Scalar = string | number | boolean | null;

/** `value` is what is compared (folded, an instant, a boolean); `written` is the same as the client wrote it. */
export type Filter =
  | { op: 'and' | 'or'; filters: readonly Filter[] }
  | { op: 'not'; filter: Filter }
  | { op: 'pr'; steps: Steps }
  | { op: Comparison; steps: Steps; kind: ComparisonKind; value: Scalar; written: Scalar }
  | { op: 'element'; steps: Steps; filter: Filter };

/** A condition that every match fulfils and that an index can answer. `value` is as the client wrote it, not folded (fold.ts). */
export interface Equality<Attribute extends string = UserIndex> {
  attribute: Attribute;
  value: string;
}

/** What users are found by. */
export type UserIndex = 'id' | 'userName' | 'externalId' | 'emails.value';
/** What groups are found by. */
export type GroupIndex = 'id' | 'displayName' | 'externalId' | 'members.value';
