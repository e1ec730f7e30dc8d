/**
 * Owns what the doctor finds out at Maxio: the key, which site it opens, how the site invoices, and whether the product can be signed up for without a card.
 * Two calls a site, counted like all others. Refuses to write anything. Source: developers.maxio.com, Sites, Products, Subscriptions ("payment collection method").
 */
import type { SiteConfig } from '../config.ts';
import type { MaxioClient } from '../maxio/client.ts';
import { MaxioError } from '../maxio/error.ts';
import type { SiteFacts } from '../maxio/types.ts';
import { type Caller, NotMade } from '../provisioning/caller.ts';
import { type DoctorCheck, fail, pass, warn } from './check.ts';

export interface MaxioParts {
  config: SiteConfig;
  caller: Caller;
  client: Pick<MaxioClient, 'readSite' | 'readProduct'>;
  /** The site id that the data in Redis belongs to; `undefined` before first contact. */
  knownSiteId: string | undefined;
  signal: AbortSignal;
}

type Product = NonNullable<Awaited<ReturnType<MaxioClient['readProduct']>>>;

/** Examines one site at Maxio. */
export async function checkMaxio(parts: MaxioParts): Promise<DoctorCheck[]> {
  const { config, caller, client, signal } = parts;
  const { key } = config;
  // The key of this process is its own matter: a wrong one must not pause the processes with the right one.
  const options = { lane: 'normal', ownMatter: true, signal } as const;
  let site: SiteFacts;
  try {
    ({ value: site } = await caller.call({ ...options, operation: 'read-site' }, (end) => client.readSite(end)));
  } catch (error) {
    return [notAnswered(`${key} Maxio`, error, config)];
  }
  const checks = [identityCheck(parts, site), invoicingCheck(config, site), emailCheck(key)];
  const { productHandle } = config;
  if (productHandle === undefined && config.groupPlans.length > 0) return checks;
  if (productHandle === undefined) {
    return [
      ...checks,
      warn(
        `${key} product`,
        'MAXIO_PRODUCT_HANDLE is not set: people become customers and nobody is billed.',
        'Set MAXIO_PRODUCT_HANDLE to the API handle of a product, if they should be.',
      ),
    ];
  }
  try {
    const { value } = await caller.call({ ...options, operation: 'read-product' }, (end) =>
      client.readProduct(productHandle, end),
    );
    return [...checks, ...productChecks(config, productHandle, value)];
  } catch (error) {
    return [...checks, notAnswered(`${key} product`, error, config)];
  }
}

function identityCheck({ config, knownSiteId }: MaxioParts, site: SiteFacts): DoctorCheck {
  const name = `${config.key} Maxio`;
  const kind = site.test ? 'a test site' : 'a live site: real people are billed there';
  if (site.subdomain !== config.subdomain || (knownSiteId !== undefined && knownSiteId !== site.id)) {
    const owner = knownSiteId === undefined ? config.subdomain : `site ${knownSiteId} (${config.subdomain})`;
    return fail(
      name,
      `The API key opens site ${site.id} (${site.subdomain}), but the data in Redis belongs to ${owner}, so nothing is written.`,
      'Correct MAXIO_SUBDOMAIN and MAXIO_API_KEY, or point REDIS_URL at the data of this site.',
    );
  }
  return pass(name, `The API key opens site ${site.id}, ${site.name} (${site.subdomain}), ${kind}.`);
}

/** `remittance` and `prepaid` belong to sites with Relationship Invoicing, `invoice` to the older ones. */
function invoicingCheck({ key, paymentCollectionMethod, productHandle, groupPlans }: SiteConfig, site: SiteFacts): DoctorCheck {
  const name = `${key} invoicing`;
  const modern = site.relationshipInvoicingEnabled;
  const words = modern ? 'Relationship Invoicing is on' : 'Relationship Invoicing is off';
  const method = paymentCollectionMethod;
  if (productHandle === undefined && groupPlans.length === 0) return pass(name, `${words}; no subscriptions are made.`);
  if (!modern && (method === 'remittance' || method === 'prepaid')) {
    return fail(
      name,
      `${words}, and MAXIO_PAYMENT_COLLECTION_METHOD is ${method}, which such a site refuses.`,
      'Set MAXIO_PAYMENT_COLLECTION_METHOD=invoice, or ask Maxio to switch Relationship Invoicing on.',
    );
  }
  if (modern && method === 'invoice') {
    return warn(
      name,
      `${words}, and MAXIO_PAYMENT_COLLECTION_METHOD is invoice, the word of older sites.`,
      'Set MAXIO_PAYMENT_COLLECTION_METHOD=remittance.',
    );
  }
  return pass(name, `${words}, and new subscriptions are paid by ${method}.`);
}

function emailCheck(key: string): DoctorCheck {
  return pass(
    `${key} unique e-mail`,
    'Maxio does not tell whether its setting Unique Email is on. If it is, a second person with the same address is refused and parked, with the words of Maxio.',
  );
}

function productChecks(config: SiteConfig, handle: string, product: Product | undefined): DoctorCheck[] {
  const name = `${config.key} product`;
  if (product === undefined) {
    return [
      fail(
        name,
        `There is no product with the API handle ${handle}, so nobody can be subscribed.`,
        'Set MAXIO_PRODUCT_HANDLE to the API handle shown on the page of the product at Maxio; it is not its name.',
      ),
    ];
  }
  if (product.archived) {
    return [
      fail(
        name,
        `${product.name} (${handle}) is archived, so nobody can be subscribed to it.`,
        'Choose another product, or restore it at Maxio.',
      ),
    ];
  }
  return [priceCheck(name, handle, product), cardCheck(config, product)];
}

function priceCheck(name: string, handle: string, product: Product): DoctorCheck {
  if (product.priceInCents === 0) {
    return warn(
      name,
      `${product.name} (${handle}) is free: people are subscribed and pay nothing.`,
      'Check that MAXIO_PRODUCT_HANDLE names the product you mean.',
    );
  }
  return pass(name, `${product.name} (${handle}) is there${priceWords(product)}.`);
}

function priceWords({ monthlyCents }: Product): string {
  return monthlyCents === undefined ? '' : `, ${(monthlyCents / 100).toFixed(2)} a month`;
}

/** The identity provider knows no payment profile, so nothing can be signed up for that wants one. */
function cardCheck({ key, paymentCollectionMethod }: SiteConfig, product: Product): DoctorCheck {
  const name = `${key} card rules`;
  if (product.requireCreditCard) {
    return fail(
      name,
      `${product.name} requires a card at signup, and the identity provider knows none, so every new subscription is refused.`,
      'Switch "Require a credit card" off on the page of the product at Maxio, or choose another product.',
    );
  }
  if (paymentCollectionMethod === 'automatic' && product.priceInCents !== 0) {
    return fail(
      name,
      'MAXIO_PAYMENT_COLLECTION_METHOD is automatic, and new customers have no payment method on file, so their signup is refused unless a trial comes first.',
      'Set MAXIO_PAYMENT_COLLECTION_METHOD=remittance: Maxio then sends invoices.',
    );
  }
  return pass(name, `${product.name} can be signed up for without a card.`);
}

function notAnswered(name: string, error: unknown, { subdomain, region }: SiteConfig): DoctorCheck {
  if (error instanceof NotMade) {
    const words = {
      blocked: 'calls to this site are paused after Maxio has refused or failed several',
      budget: 'the call budget of the hour is used up',
      slots: 'all connections to Maxio are busy',
      fenced: 'the call was not allowed',
    } as const;
    return fail(
      name,
      `Maxio was not asked: ${words[error.why]}.`,
      'maxio-scim status tells why and for how long; then try again.',
    );
  }
  if (!(error instanceof MaxioError)) throw error;
  if (error.kind === 'unauthorized') {
    return fail(
      name,
      `Maxio refuses the API key for ${subdomain} (region ${region}).`,
      'Check MAXIO_API_KEY (Config > Integrations > API Keys), MAXIO_SUBDOMAIN and MAXIO_REGION.',
    );
  }
  if (error.kind === 'missing') {
    return fail(name, `Maxio knows no site ${subdomain} in region ${region}.`, 'Check MAXIO_SUBDOMAIN and MAXIO_REGION.');
  }
  return fail(
    name,
    `Maxio does not answer as it should (${error.message}).`,
    'Check that this machine may reach Maxio over HTTPS, and the status page of Maxio.',
  );
}
