/**
 * Owns the attributes that every resource has, of whatever type. They are no part of a schema, so /Schemas does not list them; bodies,
 * filters, PATCH and projection meet them all the same. Refuses any behaviour. Source: RFC 7643 §3, §3.1.
 */
import { type Attribute, attribute, complex } from './attribute.ts';

const READ_ONLY = { mutability: 'readOnly' } as const;

export const COMMON_ATTRIBUTES: readonly Attribute[] = [
  attribute('schemas', 'The schemas that have values here.', { type: 'reference', multiValued: true, returned: 'always' }),
  attribute('id', 'The permanent id given by this service.', {
    caseExact: true,
    mutability: 'readOnly',
    returned: 'always',
    uniqueness: 'server',
  }),
  attribute('externalId', "The provisioning client's own id of the resource.", { caseExact: true, rule: 'opaque' }),
  complex(
    'meta',
    'Facts about the resource itself.',
    [
      attribute('resourceType', 'The name of the resource type.', { caseExact: true, ...READ_ONLY }),
      attribute('created', 'When it was created.', { type: 'dateTime', ...READ_ONLY }),
      attribute('lastModified', 'When it last changed.', { type: 'dateTime', ...READ_ONLY }),
      attribute('location', 'Its address.', { type: 'reference', caseExact: true, ...READ_ONLY }),
      attribute('version', 'Its version, equal to the ETag header.', { caseExact: true, ...READ_ONLY }),
    ],
    READ_ONLY,
  ),
];
