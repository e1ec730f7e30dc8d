/**
 * Owns the variables of one Maxio site: each with its rule, its description, its default and its example. Refuses to read anything.
 */
import { z } from 'zod';
import { integer, loopbackOrigin, makeOne, networkList, oneOf, token, variable, visible } from './config-rules.ts';
import { Secret } from './secret.ts';

const site = { group: 'Maxio site' } as const;

/** The variables of one Maxio site: from the environment, or as one entry of SITES_FILE. */
export const siteSchema = z.object({
  MAXIO_SUBDOMAIN: variable(
    z
      .string()
      .regex(
        /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
        'must be the first part of the host name of the site alone, in lower case, such as acme',
      ),
    { ...site, required: true },
    'Subdomain of the Advanced Billing site.',
  ),
  MAXIO_API_KEY: variable(
    visible.transform((value) => new Secret(value)),
    { ...site, secret: true, required: true },
    'API key of the site (Config > Integrations > API Keys).',
  ),
  MAXIO_REGION: variable(oneOf(['us', 'eu']).default('us'), site, 'Data centre of the site: us or eu.'),
  MAXIO_PRODUCT_HANDLE: variable(
    z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_.:-]{0,254}$/, 'must be the API handle of a product, not its name')
      .optional(),
    { ...site, example: 'pro' },
    'API handle of the product each active person is subscribed to. Unset: customers only, no subscriptions.',
  ),
  MAXIO_PAYMENT_COLLECTION_METHOD: variable(
    oneOf(['automatic', 'remittance', 'prepaid', 'invoice']).default('remittance'),
    site,
    'How new subscriptions are paid: automatic, remittance, prepaid or invoice. The IdP knows no payment profile, so remittance.',
  ),
  MAXIO_DEPROVISION: variable(
    oneOf(['cancel', 'cancel_at_period_end', 'hold']).default('cancel'),
    site,
    'What happens to the subscriptions of a leaver: cancel (at once), cancel_at_period_end or hold.',
  ),
  MAXIO_CALLS_PER_HOUR: variable(
    integer(5, 10_000).default(10_000),
    site,
    'Calls to this site in any rolling hour, over all replicas. Lower it when other integrations share the site.',
  ),
  MAXIO_MAX_CONCURRENCY: variable(
    integer(1, 4).default(4),
    site,
    'Calls in flight at once, over all replicas; Maxio allows 4 per subdomain.',
  ),
  MAXIO_START_MODE: variable(
    oneOf(['observe', 'enforce']).optional(),
    { ...site, example: 'observe' },
    'Mode of a site nobody has met before: observe (nothing is written at Maxio until it is released) or enforce. Default observe; enforce with MAXIO_BASE_URL.',
  ),
  DEPROVISION_GRACE: variable(
    integer(0, 604_800).default(0),
    site,
    'Seconds a leaver keeps being billed before anything ends, so that someone who comes back meanwhile is never touched.',
  ),
  MAXIO_GROUP_PLANS_FILE: variable(
    z.string().optional(),
    { ...site, example: '/etc/maxio-scim/group-plans.json' },
    'Products by group: a JSON array of {"group", "product", "pricePoint", "collectionMethod"}; for each product family the first rule that matches counts. In SITES_FILE also as groupPlans.',
  ),
  MAXIO_GROUP_GRACE: variable(
    integer(0, 604_800).default(900),
    site,
    'Seconds before anything is done about a product that a group has taken away, so that a move from one group to another is one change of product. With Entra ID 5400, two of its cycles.',
  ),
  MAXIO_GUARD_FLOOR: variable(
    integer(0, 1_000_000_000).default(5),
    site,
    'So many leavers are never a mass deactivation, however few people there are.',
  ),
  MAXIO_GUARD_HOUR_PERCENT: variable(
    integer(0, 100).default(5),
    site,
    'Leavers within an hour, in percent of the active people, above which endings are held until somebody approves.',
  ),
  MAXIO_GUARD_DAY_PERCENT: variable(integer(0, 100).default(10), site, 'The same within 24 hours.'),
  MAXIO_GUARD_REVENUE_PERCENT: variable(
    integer(0, 100).default(25),
    site,
    'Share of the managed monthly revenue lost within 24 hours above which endings are held; asked only where more than 20 people are active.',
  ),
  MAXIO_GUARD_CALM_SECONDS: variable(
    integer(0, 600).default(5),
    site,
    'Endings wait until nobody has left for so many seconds, at most 24 times as long, so that a mass deactivation is seen before its first effect. 0: at once.',
  ),
  MAXIO_PROTECTED_FILE: variable(
    z.string().optional(),
    { ...site, example: '/etc/maxio-scim/protected.txt' },
    'People whose subscriptions are never ended: one userName, externalId, e-mail address or reference a line.',
  ),
  MAXIO_DRIFT: variable(
    oneOf(['report', 'repair']).default('report'),
    site,
    'What happens to a difference between the directory and Maxio that somebody else has made: report, or repair once.',
  ),
  MAXIO_DRIFT_HOURS: variable(
    integer(1, 168).default(24),
    site,
    'Hours between two looks for drift; every seventh day a full one.',
  ),
  MAXIO_WEBHOOK_KEY: variable(
    visible.transform((value) => new Secret(value)).optional(),
    { ...site, secret: true },
    'Shared key of the site for signed webhooks (Config > Settings > Webhooks). Unset: no webhook is accepted.',
  ),
  SCIM_TOKEN_EXPIRES: variable(
    z.iso
      .date('must be a date such as 2027-06-30')
      .transform((value) => new Date(`${value}T23:59:59.999Z`))
      .optional(),
    { group: 'Identity provider', example: '2027-06-30' },
    'Last day (UTC) on which SCIM_TOKEN is accepted. Warnings begin 30 days before.',
  ),
  SCIM_TOKEN: variable(
    token.optional(),
    { group: 'Identity provider', secret: true },
    `Bearer token the identity provider presents; it also names the site. At least 16 characters; ${makeOne}. Unset: only tokens of maxio-scim token create are accepted.`,
  ),
  SCIM_ALLOW_FROM: variable(
    networkList().optional(),
    { group: 'Identity provider', example: '203.0.113.0/24,2001:db8:40::/44' },
    'Addresses or networks (CIDR) from which tokens of this site are accepted; from elsewhere a right token is refused and somebody is told. In SITES_FILE also as allowFrom, a list. Unset: from everywhere.',
  ),
  SCIM_IDP: variable(
    oneOf(['okta', 'entra', 'generic']).default('generic'),
    { group: 'Identity provider' },
    'Whose dialect the token speaks: okta, entra or generic.',
  ),
  MAXIO_BASE_URL: variable(
    loopbackOrigin.optional(),
    { group: 'Tests only', example: 'http://127.0.0.1:8090' },
    'A local sandbox in place of Maxio; loopback addresses only.',
  ),
  MAXIO_BUDGET_WINDOW_SECONDS: variable(
    integer(1, 3_600).default(3_600),
    { group: 'Tests only' },
    'Length of the rolling window of the call budget. Shorter ones are accepted only with MAXIO_BASE_URL.',
  ),
  MAXIO_UNKNOWN_OUTCOME_SECONDS: variable(
    integer(1, 3_600).default(130),
    { group: 'Tests only' },
    'How long an unanswered call may still take effect at Maxio. Shorter than 130 is accepted only with MAXIO_BASE_URL.',
  ),
  MAXIO_CALL_DEADLINE_SECONDS: variable(
    integer(1, 120).default(40),
    { group: 'Maxio site' },
    'How long one call to Maxio may take in all before its outcome counts as unknown.',
  ),
  MAXIO_LEASE_SECONDS: variable(
    integer(3, 600).default(45),
    { group: 'Tests only' },
    "How long a killed worker keeps a person's work to itself. Live workers renew it.",
  ),
});
