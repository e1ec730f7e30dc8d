/**
 * Owns the shape of one row of the attribute table, and short ways to write rows.
 * Refuses to know which attributes exist. Field names and defaults follow RFC 7643 §2.2 and §7.
 */

export type AttributeType = 'string' | 'boolean' | 'dateTime' | 'binary' | 'reference' | 'complex';

/**
 * A rule beyond the type. `identifier`: no invisible characters; `opaque`: a foreign key; `email`; `label`: a name for people to read;
 * `switch`: never unassigned.
 */
export type ValueRule = 'identifier' | 'opaque' | 'email' | 'label' | 'switch';

export interface Attribute {
  name: string;
  type: AttributeType;
  multiValued: boolean;
  required: boolean;
  caseExact: boolean;
  mutability: 'readWrite' | 'readOnly' | 'immutable' | 'writeOnly';
  returned: 'always' | 'default' | 'request' | 'never';
  uniqueness: 'none' | 'server' | 'global';
  description: string;
  canonicalValues?: readonly string[];
  referenceTypes?: readonly string[];
  subAttributes?: readonly Attribute[];
  /** Internal: not part of /Schemas. */
  rule?: ValueRule;
}

type Overrides = Partial<Omit<Attribute, 'name' | 'description'>>;

const DEFAULTS = {
  type: 'string',
  multiValued: false,
  required: false,
  caseExact: false,
  mutability: 'readWrite',
  returned: 'default',
  uniqueness: 'none',
} as const;

/** Writes a row; everything not said is the default of RFC 7643 §2.2. */
export function attribute(name: string, description: string, overrides: Overrides = {}): Attribute {
  return { name, description, ...DEFAULTS, ...overrides };
}

/** Writes a single-valued complex row. */
export function complex(
  name: string,
  description: string,
  subAttributes: readonly Attribute[],
  overrides: Overrides = {},
): Attribute {
  return attribute(name, description, { type: 'complex', subAttributes, ...overrides });
}

/** Writes a multi-valued row with the usual `value`, `display`, `type` and `primary` (RFC 7643 §2.4). */
export function plural(name: string, description: string, value: Attribute, types?: readonly string[]): Attribute {
  return complex(
    name,
    description,
    [
      value,
      attribute('display', 'A name of the value that is meant to be shown.'),
      attribute('type', 'A label for what the value is used for.', types === undefined ? {} : { canonicalValues: types }),
      attribute('primary', 'True for the preferred value; at most one value is preferred.', { type: 'boolean' }),
    ],
    { multiValued: true },
  );
}
