/**
 * Owns what a site tells about itself: `site.json` and its numbers in `stats.json`.
 * Refuses to be told: both are read-only here, the switches behind them are settings. Answers to Sites and Insights of developers.maxio.com.
 */
import { dollars, ok } from './answers.ts';
import { DAY_MS } from './clock.ts';
import type { Operation, Route, Site } from './site.ts';

const nameOf = ({ subdomain }: Site): string => subdomain.charAt(0).toUpperCase() + subdomain.slice(1);

const readSite: Operation = (site) =>
  ok({
    site: {
      id: site.id,
      name: nameOf(site),
      subdomain: site.subdomain,
      currency: 'USD',
      seller_id: 1,
      non_primary_currencies: [],
      relationship_invoicing_enabled: site.settings.relationshipInvoicing,
      schedule_subscription_cancellation_enabled: site.settings.scheduledCancellation,
      customer_hierarchy_enabled: false,
      whopays_enabled: false,
      whopays_default_payer: 'self',
      allocation_settings: { upgrade_charge: 'none', downgrade_credit: 'none', accrue_charge: 'true' },
      default_payment_collection_method: site.settings.defaultCollectionMethod,
      net_terms: {
        default_net_terms: 0,
        automatic_net_terms: 0,
        remittance_net_terms: 0,
        net_terms_on_remittance_signups_enabled: false,
        custom_net_terms_enabled: false,
      },
      multi_frequency_enabled: false,
      auto_renewals_enabled: false,
      portal_enabled: true,
      test: site.test,
    },
  });

/** Counts what there is; the sandbox keeps one sum of money per subscription, so revenue has no days. */
const readStats: Operation = (site) => {
  const rows = site.store.subscriptions();
  const inState = (...states: string[]): number => rows.filter(({ state }) => states.includes(state)).length;
  const revenue = dollars(rows.reduce((sum, { revenueCents }) => sum + revenueCents, 0));
  const offsetMs = site.settings.utcOffsetMinutes * 60_000;
  const today = (instantMs: number): number => Math.floor((instantMs + offsetMs) / DAY_MS);
  const nowMs = site.clock.nowMs();
  return ok({
    seller_name: nameOf(site),
    site_name: nameOf(site),
    site_id: site.id,
    site_currency: 'USD',
    stats: {
      total_subscriptions: rows.length,
      subscriptions_today: rows.filter(({ createdMs }) => today(createdMs) === today(nowMs)).length,
      total_revenue: revenue,
      revenue_today: dollars(0),
      revenue_this_month: revenue,
      revenue_this_year: revenue,
      total_canceled_subscriptions: inState('canceled'),
      total_active_subscriptions: inState('active', 'trialing'),
      total_past_due_subscriptions: inState('past_due'),
      total_unpaid_subscriptions: inState('unpaid'),
      total_dunning_subscriptions: inState('past_due'),
    },
  });
};

export const siteRoutes: readonly Route[] = [
  { method: 'GET', template: '/site.json', operation: readSite },
  { method: 'GET', template: '/stats.json', operation: readStats },
];
