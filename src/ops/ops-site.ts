/**
 * Owns the step from a running site to the view of it that ops needs. Refuses to construct anything and to know app.ts: it names the parts it uses,
 * and the real site has them.
 */
import type { SiteConfig } from '../config.ts';
import type { Runs } from '../directory/runs.ts';
import type { Store } from '../directory/store.ts';
import type { Budget } from '../maxio/budget.ts';
import type { MaxioClient } from '../maxio/client.ts';
import type { Caller } from '../provisioning/caller.ts';
import type { SiteIdentity } from '../provisioning/site-identity.ts';
import { lookLive } from './look-live.ts';
import type { OpsSite } from './site-view.ts';

export interface RunningSite {
  config: Pick<SiteConfig, 'key' | 'idp' | 'deprovision' | 'productHandle'>;
  store: Store;
  runs: Runs;
  budget: Budget;
  caller: Caller;
  client: MaxioClient;
  identity: SiteIdentity;
  ring(userId: string, lane: 'urgent' | 'normal'): Promise<void>;
}

/** Until Maxio has said which site this is nothing is written there; if it is another one, never. */
const MODES = { confirmed: 'enforce', unknown: 'unconfirmed', foreign: 'paused' } as const;

/** Adapts a running site. */
export function opsSiteOf(site: RunningSite): OpsSite {
  const { key, idp, deprovision, productHandle } = site.config;
  const { store, runs, budget, identity } = site;
  let test: boolean | undefined;
  return {
    key,
    idp,
    deprovision,
    productHandle,
    store,
    runs,
    budget,
    async test() {
      // Before its own first contact a process reads what an earlier one has stored.
      test ??= identity.current.kind === 'confirmed' ? identity.current.test : (await identity.stored())?.test;
      return test;
    },
    mode: () => MODES[identity.current.kind],
    modeDetail: () => (identity.current.kind === 'confirmed' ? undefined : identity.current.detail),
    ring: (userId, lane) => site.ring(userId, lane),
    live: (record) => lookLive(record, site.caller, site.client),
  };
}
