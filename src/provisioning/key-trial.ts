/**
 * Owns the trial of an API key that is to replace the one in use: one harmless call with it tells whether it opens this very site. A key of another site
 * must never reach a write here. Where the site is paused because the old key was refused, the trial is the call that finds out whether it works again.
 * Refuses to replace anything.
 */
import type { Budget } from '../maxio/budget.ts';
import type { MaxioClient } from '../maxio/client.ts';
import type { Caller } from './caller.ts';
import { isRefusedKey, type SiteIdentity } from './site-identity.ts';

/** `unanswered`: nothing is known; ask again. */
export type KeyTrial = 'ours' | 'foreign' | 'refused' | 'unanswered';

export interface TrialParts {
  subdomain: string;
  identity: Pick<SiteIdentity, 'stored'>;
  budget: Budget;
  caller: Caller;
  /** With the key on trial. */
  client: Pick<MaxioClient, 'readSite'>;
}

export async function tryKey({ subdomain, identity, budget, caller, client }: TrialParts): Promise<KeyTrial> {
  try {
    const known = await identity.stored();
    await budget.probeNow('unauthorized');
    const options = { operation: 'read-site', lane: 'urgent', ownMatter: true } as const;
    const { value } = await caller.call(options, (signal) => client.readSite(signal));
    const same = value.subdomain === subdomain && (known === undefined || value.id === known.siteId);
    return same ? 'ours' : 'foreign';
  } catch (error) {
    return isRefusedKey(error) ? 'refused' : 'unanswered';
  }
}
