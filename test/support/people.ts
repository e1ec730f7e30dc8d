/** Owns the bodies that Okta and Entra send about one person in end-to-end tests, by number. No behaviour. */
import { CORE_USER, ENTERPRISE_USER } from '../../src/scim/types.ts';

export interface Person {
  externalId: string;
  userName: string;
  givenName: string;
  familyName: string;
}

export function person(n: number): Person {
  return {
    externalId: `00u${String(n).padStart(5, '0')}`,
    userName: `person${n}@example.com`,
    givenName: 'Person',
    familyName: `No${n}`,
  };
}

/** POST as Okta sends it (and PUT, with `id` and changes). */
export function oktaUser(who: Person, change: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    schemas: [CORE_USER],
    userName: who.userName,
    name: { givenName: who.givenName, familyName: who.familyName },
    emails: [{ primary: true, value: who.userName, type: 'work' }],
    displayName: `${who.givenName} ${who.familyName}`,
    locale: 'en-US',
    externalId: who.externalId,
    groups: [],
    password: 'irrelevant-1',
    active: true,
    ...change,
  };
}

/** POST as Entra sends it. */
export function entraUser(who: Person): Record<string, unknown> {
  return {
    schemas: [CORE_USER, ENTERPRISE_USER],
    externalId: who.externalId,
    userName: who.userName,
    active: true,
    displayName: `${who.givenName} ${who.familyName}`,
    emails: [{ primary: true, type: 'work', value: who.userName }],
    meta: { resourceType: 'User' },
    name: { formatted: `${who.givenName} ${who.familyName}`, familyName: who.familyName, givenName: who.givenName },
    roles: [],
  };
}

export function patch(...operations: Record<string, unknown>[]): Record<string, unknown> {
  return { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations: operations };
}
