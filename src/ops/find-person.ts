/**
 * Owns how somebody on call finds one person with whatever they have at hand: SCIM id, userName, Maxio reference, externalId or e-mail address.
 * Refuses to guess between several, and never repeats what was searched for, since that may be a name.
 */
import type { UserRecord } from '../directory/record.ts';
import { OpsError } from './ops-error.ts';
import type { OpsSite } from './site-view.ts';

export interface Found {
  site: OpsSite;
  record: UserRecord;
}

const SHOWN_MAX = 5;
/** The shape of an id; externalIds of Entra ID have it too, so nobody of that id is no answer yet. */
const SCIM_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Finds one person at the given sites, deleted ones included. @throws OpsError 404 nobody, 409 several */
export async function findPerson(sites: readonly OpsSite[], who: string): Promise<Found> {
  const found = (
    await Promise.all(sites.map(async (site) => (await candidates(site, who)).map((record) => ({ site, record }))))
  ).flat();
  const [first] = found;
  if (first === undefined) {
    throw new OpsError(
      404,
      'not-found',
      'Nobody is known under that id, userName, Maxio reference, externalId or e-mail address.',
      'Check the spelling and the site. A deleted person is found by id, reference or externalId only. If the identity provider shows the person, look there for a failed request.',
    );
  }
  if (found.length > 1) {
    const ids = found.slice(0, SHOWN_MAX).map(({ site, record }) => `${record.id} at ${site.key}`);
    throw new OpsError(
      409,
      'ambiguous',
      `${found.length} people fit: ${ids.join(', ')}.`,
      'Ask by id, and name the site if there are several.',
    );
  }
  return first;
}

/** The most exact meaning that anybody answers to wins. */
async function candidates({ store }: OpsSite, who: string): Promise<UserRecord[]> {
  const ways: (() => Promise<UserRecord | UserRecord[] | undefined>)[] = [
    async () => (SCIM_ID.test(who) ? await store.read(who.toLowerCase()) : undefined),
    () => store.findByUserName(who),
    () => store.findByReference(who),
    () => store.findByExternalId(who),
    () => store.findByEmail(who),
  ];
  for (const way of ways) {
    const found = [(await way()) ?? []].flat();
    if (found.length > 0) return found;
  }
  return [];
}
