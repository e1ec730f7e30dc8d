/**
 * Owns the attribute tables of the User resource: core and enterprise extension.
 * Refuses any behaviour: parsing, filters, PATCH, projection and /Schemas all read these rows and add none of their own.
 * Source: RFC 7643 §4.1, §4.3, §8.7.
 */
import { type Attribute, attribute, complex, plural } from './attribute.ts';

const REFERENCE = { type: 'reference', referenceTypes: ['external'] } as const;
const READ_ONLY = { mutability: 'readOnly' } as const;

const NAME = complex('name', 'The parts of the name of the person.', [
  attribute('formatted', 'The full name as it is shown. Kept as sent; never computed from the parts.'),
  attribute('familyName', 'The family name.'),
  attribute('givenName', 'The given name.'),
  attribute('middleName', 'The middle names.'),
  attribute('honorificPrefix', 'A title before the name.'),
  attribute('honorificSuffix', 'A suffix after the name.'),
]);

const ADDRESSES = complex(
  'addresses',
  'Postal addresses.',
  [
    attribute('formatted', 'The full address as it is shown; may hold line breaks.'),
    attribute('streetAddress', 'Street, house number and what else stands on that line.'),
    attribute('locality', 'City.'),
    attribute('region', 'State or region.'),
    attribute('postalCode', 'Postal code.'),
    attribute('country', 'Country, best as an ISO 3166-1 alpha-2 code; other text is kept as sent.'),
    attribute('type', 'A label for what the address is used for.', { canonicalValues: ['work', 'home', 'other'] }),
    attribute('primary', 'True for the preferred address; at most one is preferred.', { type: 'boolean' }),
  ],
  { multiValued: true },
);

const GROUPS = complex(
  'groups',
  'The groups of the person. Changed through groups only.',
  [
    attribute('value', 'The id of the group.', READ_ONLY),
    attribute('$ref', 'The address of the group.', { type: 'reference', referenceTypes: ['Group'], ...READ_ONLY }),
    attribute('display', 'The name of the group.', READ_ONLY),
    attribute('type', 'Whether membership is direct.', { canonicalValues: ['direct', 'indirect'], ...READ_ONLY }),
  ],
  { multiValued: true, ...READ_ONLY },
);

export const USER_ATTRIBUTES: readonly Attribute[] = [
  attribute('userName', 'The name the person signs in with. Compared without regard to case, returned as sent.', {
    required: true,
    uniqueness: 'server',
    rule: 'identifier',
  }),
  NAME,
  attribute('displayName', 'The name that is shown.'),
  attribute('nickName', 'The casual name.'),
  attribute('profileUrl', 'A page about the person.', REFERENCE),
  attribute('title', 'Job title.'),
  attribute('userType', 'How the person relates to the organisation.'),
  attribute('preferredLanguage', 'Preferred language, as in the Accept-Language header.'),
  attribute('locale', 'Locale for currency, dates and numbers.'),
  attribute('timezone', 'Time zone, as in the IANA database.'),
  attribute('active', 'False ends the billing of the person.', { type: 'boolean', rule: 'switch' }),
  attribute('password', 'Never stored; accepted and thrown away.', { mutability: 'writeOnly', returned: 'never' }),
  plural('emails', 'E-mail addresses.', attribute('value', 'The address.', { rule: 'email' }), ['work', 'home', 'other']),
  plural('phoneNumbers', 'Phone numbers, kept in the form they were sent.', attribute('value', 'The number.'), [
    'work',
    'home',
    'mobile',
    'fax',
    'pager',
    'other',
  ]),
  plural('ims', 'Instant messaging addresses.', attribute('value', 'The address.'), [
    'aim',
    'gtalk',
    'icq',
    'xmpp',
    'msn',
    'skype',
    'qq',
    'yahoo',
  ]),
  plural('photos', 'Addresses of pictures.', attribute('value', 'The address of the picture.', REFERENCE), [
    'photo',
    'thumbnail',
  ]),
  ADDRESSES,
  GROUPS,
  plural('entitlements', 'Things the person may have.', attribute('value', 'The entitlement.')),
  plural('roles', 'Roles of the person.', attribute('value', 'The role.')),
  plural(
    'x509Certificates',
    'Certificates of the person.',
    attribute('value', 'A DER certificate in base64.', { type: 'binary' }),
  ),
];

export const ENTERPRISE_ATTRIBUTES: readonly Attribute[] = [
  attribute('employeeNumber', 'The number given by the organisation.'),
  attribute('costCenter', 'Cost center.'),
  attribute('organization', 'Organisation.'),
  attribute('division', 'Division.'),
  attribute('department', 'Department.'),
  complex('manager', 'The manager of the person.', [
    attribute('value', 'The id of the manager; kept as sent, never resolved.'),
    attribute('$ref', 'The address of the manager.', { type: 'reference', referenceTypes: ['User'] }),
    // RFC 7643 makes this readOnly; Okta maps and sends it, and we have no other source for it.
    attribute('displayName', 'The name of the manager as the client sent it.'),
  ]),
];
