/**
 * Owns the attribute table of the Group resource. Refuses any behaviour, as the table of users does.
 * `displayName` is what RFC 7643 §4.2 says in words (required), not what its §8.7.1 prints; two groups of one name could not be told apart
 * by whoever maps groups to plans, so it is unique here. Members are people: a group inside a group has no meaning for billing.
 */
import { type Attribute, attribute, complex } from './attribute.ts';

const IMMUTABLE = { mutability: 'immutable' } as const;

export const GROUP_ATTRIBUTES: readonly Attribute[] = [
  attribute('displayName', 'The name of the group. Compared without regard to case, returned as sent.', {
    required: true,
    uniqueness: 'server',
    rule: 'label',
  }),
  complex(
    'members',
    'The people in the group.',
    [
      attribute('value', 'The id of the person.', { caseExact: true, required: true, ...IMMUTABLE }),
      attribute('$ref', 'The address of the person.', { type: 'reference', referenceTypes: ['User'], ...IMMUTABLE }),
      attribute('type', 'What the member is.', { canonicalValues: ['User'], ...IMMUTABLE }),
      attribute('display', 'The name of the person.', { mutability: 'readOnly' }),
    ],
    { multiValued: true },
  ),
];
