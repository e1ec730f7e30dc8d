/**
 * Owns the decision what a POST means: a new person, someone who comes back, or a conflict. Refuses to write.
 * Stance: the same externalId is not yet the same person, because Entra's default externalId is a mail nickname that gets reused.
 * Coming back needs a second sign (same userName or a shared e-mail address); without it the newcomer gets a reference of their own.
 */

import { uniqueness } from '../scim/error.ts';
import { foldEmail, foldUserName } from '../scim/fold.ts';
import type { UserAttributes } from '../scim/types.ts';
import { encodeReference, numberedReference, scimId } from './identity.ts';
import type { UserRecord } from './record.ts';
import { emailsOf, externalIdOf, type Store } from './store.ts';

export type CreateDecision = { kind: 'new'; id: string; reference: string } | { kind: 'revive'; record: UserRecord };

const NUMBER_MAX = 1_000;

/** Decide on what the store says now. @throws ScimError 409 uniqueness */
export async function decideCreate(
  store: Store,
  site: { region: string; subdomain: string },
  attributes: UserAttributes,
): Promise<CreateDecision> {
  const externalId = externalIdOf(attributes);
  // Folded like every comparison of userNames, or one person would become two with a change of letter case.
  const base = encodeReference(externalId ?? foldUserName(attributes.userName));
  const [named, sameExternal, referenced] = await Promise.all([
    store.findByUserName(attributes.userName),
    externalId === undefined ? [] : store.findByExternalId(externalId),
    store.findByReference(base),
  ]);

  refuseActive(named, sameExternal, attributes);
  const returning = [...sameExternal, ...(referenced ? [referenced] : [])]
    .filter((record) => !isActive(record) && corroborated(record, attributes))
    .sort((a, b) => Number(b.id === named?.id) - Number(a.id === named?.id) || b.modifiedAtMs - a.modifiedAtMs)[0];
  if (named !== undefined && named.id !== returning?.id) {
    const other = externalIdOf(named.attributes);
    if (externalId === undefined || other === undefined) return { kind: 'revive', record: named };
    throw uniqueness(
      'This userName belongs to a deactivated person with another externalId. ' +
        'Reactivate or delete that person, or rename one of the two, then retry.',
    );
  }
  if (returning !== undefined) return { kind: 'revive', record: returning };

  for (let n = 1; n <= NUMBER_MAX; n += 1) {
    const reference = numberedReference(base, n);
    const holder = n === 1 ? referenced : await store.findByReference(reference);
    if (holder === undefined) return { kind: 'new', id: scimId(site, reference), reference };
    if (n > 1 && !isActive(holder) && corroborated(holder, attributes)) return { kind: 'revive', record: holder };
  }
  throw uniqueness('This externalId has been reused too often. Map externalId to an id that is never reused.');
}

function refuseActive(named: UserRecord | undefined, sameExternal: UserRecord[], attributes: UserAttributes): void {
  if (named !== undefined && isActive(named)) {
    throw uniqueness('A person with this userName already exists and is active. Match on userName instead of creating.');
  }
  const active = sameExternal.find((record) => isActive(record));
  if (active === undefined) return;
  if (foldUserName(active.attributes.userName) === foldUserName(attributes.userName)) {
    throw uniqueness('This person already exists and is active.');
  }
  throw uniqueness(
    'This externalId belongs to an active person with another userName. If these are two people, map externalId to an immutable id ' +
      '(Okta: user.id; Entra ID: objectId, not mailNickname). If it is one person, update the existing one instead of creating.',
  );
}

function isActive(record: UserRecord): boolean {
  return record.attributes.active && !record.deleted;
}

/** Say whether someone who left and someone who arrives share a userName or an e-mail address. */
export function corroborated(record: UserRecord, attributes: UserAttributes): boolean {
  if (foldUserName(record.attributes.userName) === foldUserName(attributes.userName)) return true;
  const known = new Set(emailsOf(record.attributes).map(foldEmail));
  return emailsOf(attributes).some((address) => known.has(foldEmail(address)));
}
