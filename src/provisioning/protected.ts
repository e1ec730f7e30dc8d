/**
 * Owns the question who is on the list of protected people, whose subscriptions are never ended by this service. Pure.
 * An entry names a person by userName, externalId, reference, SCIM id or e-mail address; names and addresses are compared as SCIM compares them.
 */
import type { UserRecord } from '../directory/record.ts';
import { emailsOf, externalIdOf } from '../directory/store.ts';
import { foldEmail, foldUserName } from '../scim/fold.ts';

/** Makes the test for one list; an empty list protects nobody. */
export function protection(entries: readonly string[]): (record: UserRecord) => boolean {
  const exact = new Set(entries);
  const names = new Set(entries.map(foldUserName));
  const addresses = new Set(entries.map(foldEmail));
  return ({ id, reference, attributes }) =>
    entries.length > 0 &&
    (exact.has(id) ||
      exact.has(reference) ||
      exact.has(externalIdOf(attributes) ?? '') ||
      names.has(foldUserName(attributes.userName)) ||
      emailsOf(attributes).some((address) => addresses.has(foldEmail(address))));
}
