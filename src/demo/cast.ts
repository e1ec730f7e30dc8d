/** Owns the dozen people of the demo's story and the bodies in which Okta and Entra ID send them. No behaviour beyond that. */
import { CORE_USER, ENTERPRISE_USER, type Json, type JsonObject } from '../scim/types.ts';

export interface Member {
  via: 'Okta' | 'Entra';
  externalId: string;
  givenName: string;
  familyName: string;
  userName: string;
  email: string;
  title: string;
  /** The SCIM id, once the service has answered with it. */
  id: string;
}

const PATCH_OP = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

function member(via: Member['via'], givenName: string, familyName: string, externalId: string): Member {
  const email = `${givenName}.${familyName}@example.com`.toLowerCase();
  return { via, externalId, givenName, familyName, userName: email, email, title: 'Analyst', id: '' };
}

/** Makes the cast anew, so that a story may change it. */
export function createCast() {
  return {
    ann: member('Okta', 'Ann', 'Archer', '00uk7ann4mB2dQx5d7'),
    ben: member('Okta', 'Ben', 'Okafor', '00uk7ben9sT1wLr5d7'),
    chloe: member('Okta', 'Chloe', 'Martin', '00uk7chl3vN8pKc5d7'),
    dev: member('Okta', 'Dev', 'Patel', '00uk7dev6hJ4yRf5d7'),
    elif: member('Okta', 'Elif', 'Kaya', '00uk7eli2zG7tMs5d7'),
    finn: member('Okta', 'Finn', 'Larsen', '00uk7fin8cW5bVq5d7'),
    grace: member('Entra', 'Grace', 'Hall', '3f0c1b52-8f7e-4a2e-9a41-5d1be2a0c701'),
    hiro: member('Entra', 'Hiro', 'Tanaka', '7a94d2e6-13b8-4c55-8d0f-0e6b9c3f1a02'),
    ines: member('Entra', 'Ines', 'Costa', 'b2e7f0a8-6c19-47d3-b5e4-91a7c8d06f03'),
    jonas: member('Entra', 'Jonas', 'Weber', 'c58d3e91-0a4f-4b6e-a7c2-2f8e5b1d9404'),
    kofi: member('Entra', 'Kofi', 'Mensah', 'e1a60b7c-95d2-4f38-8b1a-6c3d0e7f2805'),
    lena: member('Entra', 'Lena', 'Novak', 'f97c4d20-2e6b-4d81-9c53-a0b4e8f61706'),
  } satisfies Record<string, Member>;
}

export type Cast = ReturnType<typeof createCast>;

/** Builds the whole resource: Okta's POST and PUT, Entra's POST. */
export function resourceOf(person: Member, change: JsonObject = {}): JsonObject {
  const { externalId, givenName, familyName, userName, email, title } = person;
  const displayName = `${givenName} ${familyName}`;
  const common = { externalId, userName, displayName, title, active: true };
  const emails = [{ primary: true, type: 'work', value: email }];
  if (person.via === 'Okta') {
    const name = { givenName, familyName };
    return { schemas: [CORE_USER], ...common, name, emails, locale: 'en-US', groups: [], password: 'x7-unused', ...change };
  }
  const name = { formatted: displayName, givenName, familyName };
  return { schemas: [CORE_USER, ENTERPRISE_USER], ...common, name, emails, roles: [], meta: { resourceType: 'User' }, ...change };
}

/** Builds a PATCH of one replace per path, as Entra sends it; a value without a path is Okta's form. */
export function patchOf(...operations: { path?: string; value: Json }[]): JsonObject {
  return { schemas: [PATCH_OP], Operations: operations.map((operation) => ({ op: 'replace', ...operation })) };
}
