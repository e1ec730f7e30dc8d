/**
 * Owns the step from a running site to the view of it that ops needs. Refuses to construct anything and to know app.ts: it names the parts it uses,
 * and the real site has them.
 */
import type { SiteConfig } from '../config.ts';
import type { MaxioClient } from '../maxio/client.ts';
import type { Caller } from '../provisioning/caller.ts';
import { familiesOf } from '../provisioning/group-plans.ts';
import type { SiteIdentity } from '../provisioning/site-identity.ts';
import type { Onboarding } from '../survey/onboarding.ts';
import type { Watch } from '../survey/watch.ts';
import { lookLive } from './look-live.ts';
import type { OpsSite } from './site-view.ts';

/** What the view takes over as it is. */
type Shared = Pick<
  OpsSite,
  'store' | 'runs' | 'budget' | 'modes' | 'holds' | 'tokens' | 'clients' | 'notifier' | 'isProtected' | 'ring'
>;

export interface RunningSite extends Shared {
  config: Pick<SiteConfig, 'key' | 'idp' | 'graceSeconds'>;
  onboarding: Pick<Onboarding, 'survey' | 'links' | 'release' | 'recovery' | 'imports' | 'archive' | 'audit' | 'erasures'>;
  watch: Pick<Watch, 'configuration' | 'forecasts' | 'drift' | 'repairs' | 'groupPlans' | 'wanted' | 'policy'>;
  caller: Caller;
  client: MaxioClient;
  identity: SiteIdentity;
}

/** Adapts a running site. */
export function opsSiteOf(site: RunningSite): OpsSite {
  const { key, idp, graceSeconds } = site.config;
  const { store, runs, budget, modes, holds, tokens, clients, notifier, identity } = site;
  const { survey, links, release, recovery, imports, archive, audit, erasures } = site.onboarding;
  const { configuration, forecasts, drift, repairs, groupPlans, wanted } = site.watch;
  let test: boolean | undefined;
  return {
    key,
    idp,
    // What is acted by, which is not what this process was started with while that waits for approval.
    get deprovision() {
      return configuration.current().deprovision;
    },
    get productHandle() {
      return configuration.current().productHandle ?? undefined;
    },
    graceSeconds,
    store,
    runs,
    budget,
    modes,
    holds,
    tokens,
    clients,
    survey,
    links,
    release,
    recovery,
    imports,
    archive,
    audit,
    erasures,
    drift,
    repairs,
    configuration,
    groupPlans,
    plans: () => {
      const { groupPlans: plans, productHandle } = site.watch.policy();
      return familiesOf(plans, productHandle);
    },
    wanted: async (record) => (await wanted([record]))(record),
    forecasts,
    notifier,
    isProtected: (record) => site.isProtected(record),
    async test() {
      // Before its own first contact a process reads what an earlier one has stored.
      test ??= identity.current.kind === 'confirmed' ? identity.current.test : (await identity.stored())?.test;
      return test;
    },
    contact: () => identity.current.kind,
    contactDetail: () => (identity.current.kind === 'confirmed' ? undefined : identity.current.detail),
    ring: (userId, lane) => site.ring(userId, lane),
    live: (record) => lookLive(record, site.caller, site.client),
  };
}
