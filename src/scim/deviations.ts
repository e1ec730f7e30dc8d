/**
 * Owns the list of everything we accept beyond the RFCs because Okta or Entra ID sends it; each row names recorded exchanges that show it.
 * Refuses to bend by guessing who calls: each bend is safe for every client, so none depends on a token or a user agent.
 * A deviation that is not in this table is a bug. Sources: Okta's SCIM 2.0 reference, Microsoft's SCIM tutorial and
 * "known issues and resolutions with SCIM 2.0 protocol compliance", RFC 7643, RFC 7644.
 */

export interface Deviation {
  id: string;
  client: 'okta' | 'entra' | 'both';
  /** The rule that is bent, or the silence that is filled. */
  rfc: string;
  behaviour: string;
  /** `file#function`, seen from src/scim. */
  where: string;
  /** Recorded exchanges below test/idp that show it. */
  fixtures: readonly string[];
}

export const DEVIATIONS: readonly Deviation[] = [
  {
    id: 'boolean-text',
    client: 'entra',
    rfc: 'RFC 7643 §2.3.2',
    behaviour: '"True", "False" and other letter cases count as booleans in bodies, PATCH values and filters.',
    where: 'dialect.ts#readBoolean',
    fixtures: ['entra/create-with-boolean-strings', 'entra/disable-with-string-false', 'entra/roles-by-primary-string'],
  },
  {
    id: 'empty-is-unassigned',
    client: 'both',
    rfc: 'RFC 7643 §2.5',
    behaviour: 'An empty text unassigns like null and []; only `active` refuses all three, so nobody is deactivated by accident.',
    where: 'json.ts#isUnassigned',
    fixtures: [
      'entra/clear-by-empty-string',
      'entra/create-with-explicit-nulls',
      'entra/disable-by-accident-is-impossible',
      'okta/group-push-now-of-an-empty-group',
      'okta/put-active-null-never-deactivates',
      'okta/put-clears-with-empty-string',
      'okta/put-clears-with-null-and-empty-list',
    ],
  },
  {
    id: 'groups-ignored',
    client: 'both',
    rfc: 'RFC 7644 §3.5.2',
    behaviour:
      '`groups` is read-only; a PATCH of it is ignored instead of refused, so that it cannot keep a disable beside it from landing.',
    where: 'patch/apply-operation.ts#applyOperation',
    fixtures: ['entra/disable-beside-groups'],
  },
  {
    id: 'manager-shapes',
    client: 'both',
    rfc: 'RFC 7643 §4.3',
    behaviour:
      'The manager may be a text, an object, or a list with one object, and is stored as an object with `value`; its `displayName`, which the RFC has the server tell, is kept as sent.',
    where: 'dialect.ts#readManager',
    fixtures: [
      'entra/manager-as-array',
      'entra/manager-as-string',
      'entra/manager-cleared-by-empty-value',
      'okta/manager-with-display-name',
    ],
  },
  {
    id: 'manager-without-urn',
    client: 'entra',
    rfc: 'RFC 7644 §3.10',
    behaviour: 'A bare `manager` means the enterprise attribute; in a filter `manager eq` means `manager.value`.',
    where: 'schema.ts#resolveName',
    fixtures: ['entra/manager-by-legacy-path', 'entra/manager-by-value-filter', 'entra/manager-reference-check'],
  },
  {
    id: 'dot-after-urn',
    client: 'entra',
    rfc: 'RFC 7644 §3.10',
    behaviour: 'A dot in place of the colon between URN and attribute is accepted.',
    where: 'schema.ts#resolveName',
    fixtures: ['entra/manager-by-legacy-path'],
  },
  {
    id: 'schemas-missing',
    client: 'entra',
    rfc: 'RFC 7643 §3',
    behaviour: 'A user without `schemas` is accepted; extensions are kept whether `schemas` lists them or not.',
    where: 'read-resource.ts#readResource',
    fixtures: [
      'entra/create-with-custom-extension',
      'entra/create-without-schemas',
      'okta/enterprise-values-without-the-urn-in-schemas',
    ],
  },
  {
    id: 'read-only-ignored',
    client: 'okta',
    rfc: 'RFC 7644 §3.3',
    behaviour: '`id`, `meta` and `groups` in POST and PUT are ignored; `password` is accepted and thrown away.',
    where: 'read-resource.ts#readResource',
    fixtures: ['okta/create', 'okta/create-ignores-client-id-and-meta', 'okta/profile-put-leaves-groups-alone'],
  },
  {
    id: 'billing-ignored',
    client: 'both',
    rfc: 'RFC 7644 §3.5.2',
    behaviour:
      'Our own read-only extension is ignored wherever a client sends it, in PATCH too, so that a mapped attribute of it cannot keep a disable beside it from landing.',
    where: 'patch/apply-operation.ts#applyOperation',
    fixtures: ['entra/disable-beside-billing'],
  },
  {
    id: 'put-keeps-anchor',
    client: 'both',
    rfc: 'RFC 7644 §3.5.1',
    behaviour: 'PUT without `active` or `externalId` keeps both; every other omitted attribute is removed.',
    where: 'read-user.ts#readUser',
    fixtures: ['okta/put-without-active-keeps-the-state', 'okta/put-without-external-id-keeps-it'],
  },
  {
    id: 'unknown-kept',
    client: 'both',
    rfc: 'RFC 7643 §2.1',
    behaviour: 'Unknown attributes and unknown or mistyped extension URNs are kept and returned as sent.',
    where: 'read-resource.ts#readResource',
    fixtures: [
      'entra/create-with-custom-extension',
      'entra/create-with-mistyped-extension-urn',
      'entra/disable-beside-an-unknown-path',
      'entra/group-create-with-unknown-attributes',
      'okta/custom-attribute-under-external-namespace',
    ],
  },
  {
    id: 'last-primary-wins',
    client: 'entra',
    rfc: 'RFC 7643 §2.4',
    behaviour: 'Of several primary values the last one stays primary; no 400.',
    where: 'dialect.ts#keepLastPrimary',
    fixtures: ['entra/create-with-two-primaries'],
  },
  {
    id: 'single-for-list',
    client: 'entra',
    rfc: 'RFC 7643 §2.4',
    behaviour: 'One object or one text in place of a list is a list of one; a text in a list is its `value` (roles).',
    where: 'read-value.ts#readValue',
    fixtures: ['entra/roles-as-json-in-a-string'],
  },
  {
    id: 'unquoted-filter-value',
    client: 'entra',
    rfc: 'RFC 7644 §3.4.2.2',
    behaviour: 'A filter value without quotes (`externalId eq jyoung`) is read as text.',
    where: 'filter/normalise.ts#normaliseFilter',
    fixtures: ['entra/group-match-by-external-id', 'entra/match-by-external-id-unquoted'],
  },
  {
    id: 'sub-attribute-after-value-path',
    client: 'entra',
    rfc: 'RFC 7644 §3.4.2.2',
    behaviour: '`emails[type eq "work"].value eq "x"` is a filter: both conditions on the same element.',
    where: 'filter/normalise.ts#normaliseFilter',
    fixtures: ['entra/match-by-work-email', 'entra/test-connection-with-percent-encoded-spaces'],
  },
  {
    id: 'value-path-creates',
    client: 'entra',
    rfc: 'RFC 7644 §3.5.2.3',
    behaviour: 'add and replace on a value path that matches nothing create the element from the filter; a member is brought in.',
    where: 'patch/patch-list.ts#patchList',
    fixtures: [
      'entra/group-member-by-value-path',
      'entra/value-path-adds-phone',
      'entra/value-path-builds-address',
      'entra/value-path-creates-work-email',
    ],
  },
  {
    id: 'operation-letter-case',
    client: 'entra',
    rfc: 'RFC 7644 §3.5.2',
    behaviour: '`op` is read in any letter case.',
    where: 'patch.ts#applyPatch',
    fixtures: [
      'entra/disable-with-string-false',
      'entra/group-members-removed-by-value-path',
      'entra/one-operation-per-attribute',
    ],
  },
  {
    id: 'path-as-key',
    client: 'both',
    rfc: 'RFC 7644 §3.5.2.3',
    behaviour: 'Without a path, keys of the value may be dotted, carry a URN, or be whole value paths.',
    where: 'patch/apply-operation.ts#applyOperation',
    fixtures: ['entra/pathless-dotted-and-urn-keys'],
  },
  {
    id: 'own-id-in-value',
    client: 'okta',
    rfc: 'RFC 7644 §3.5.2',
    behaviour: 'The own `id` inside a value without a path is tolerated.',
    where: 'patch/apply-operation.ts#applyOperation',
    fixtures: [
      'okta/deactivate-with-own-id-in-value',
      'okta/group-emptied-without-a-path',
      'okta/group-members-change-with-every-push',
      'okta/group-rename-with-own-id',
    ],
  },
  {
    id: 'remove-with-value',
    client: 'entra',
    rfc: 'RFC 7644 §3.5.2.2',
    behaviour: 'remove with a value on a multi-valued attribute removes the named elements and keeps the others.',
    where: 'patch/patch-list.ts#patchList',
    fixtures: ['entra/remove-with-a-value'],
  },
  {
    id: 'group-remove-with-value',
    client: 'entra',
    rfc: 'RFC 7644 §3.5.2.2',
    behaviour:
      'remove of `members` with a value takes out the named people and keeps the others; only without a value everybody goes.',
    where: 'group/patch-group.ts#applyGroupPatch',
    fixtures: [
      'entra/group-members-more-than-twenty',
      'entra/group-members-removed-by-unknown-value',
      'entra/group-members-removed-by-value-array',
      'entra/group-moved-person',
    ],
  },
  {
    id: 'group-put-keeps-members',
    client: 'okta',
    rfc: 'RFC 7644 §3.5.1',
    behaviour: 'PUT of a group without `members` leaves them alone; `[]` and null empty it.',
    where: 'group/read-group.ts#readGroup',
    fixtures: ['okta/group-put-without-members-keeps-them'],
  },
  {
    id: 'group-extra-schema',
    client: 'entra',
    rfc: 'RFC 7643 §3',
    behaviour: 'Schemas that a group names without a value under them are kept and returned in `schemas` as sent.',
    where: 'group/read-group.ts#readGroup',
    fixtures: ['entra/group-create'],
  },
  {
    id: 'member-shapes',
    client: 'both',
    rfc: 'RFC 7643 §4.2',
    behaviour: 'A member may be an object with `$ref` null, an object with `$ref` alone, or a text; one alone is a list of one.',
    where: 'group/read-members.ts#readMembers',
    fixtures: ['entra/group-member-by-reference', 'entra/group-members-added-by-value-array', 'okta/group-push'],
  },
  {
    id: 'rehire-by-post',
    client: 'both',
    rfc: 'RFC 7644 §3.3',
    behaviour:
      'A POST for somebody who was deactivated or deleted brings back the same id, with 201 in place of a conflict, where two signs say that it is one person.',
    where: '../directory/decide-create.ts#decideCreate',
    fixtures: [
      'entra/hard-delete-then-restore',
      'okta/rehire-by-fresh-post',
      'okta/rehire-under-a-new-name',
      'okta/user-name-edited-on-the-assignment',
    ],
  },
  {
    id: 'token-shapes',
    client: 'okta',
    rfc: 'RFC 7644 §2',
    behaviour: 'The token is accepted with `Bearer` in any letter case, without it, with it twice, and with stray blanks.',
    where: '../http/auth.ts#createAuthenticator',
    fixtures: ['okta/bare-token', 'okta/bearer-in-any-letter-case'],
  },
  {
    id: 'odd-headers',
    client: 'both',
    rfc: 'RFC 7644 §3.8',
    behaviour:
      'Accept, User-Agent and the content type of a request without a body are not looked at; `application/json` is as good as `application/scim+json`.',
    where: '../http/scim-scope.ts#scimScope',
    fixtures: ['entra/hard-delete-with-content-type', 'entra/test-connection-with-odd-headers', 'okta/media-types'],
  },
  {
    id: 'odd-address',
    client: 'both',
    rfc: 'RFC 7644 §3.13',
    behaviour:
      'Doubled slashes, one after /Users or /Groups, and unknown query parameters, such as the flag of a tenant URL, are harmless and never come back in a location.',
    where: '../http/server.ts#createServer',
    fixtures: ['entra/group-tenant-url-with-flag', 'entra/tenant-url-with-flag', 'okta/base-url-with-trailing-slash'],
  },
];
