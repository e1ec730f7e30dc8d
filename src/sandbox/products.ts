/**
 * Owns the read-only endpoints around the catalogue: `site.json`, product families and products.
 * Refuses to write: a merchant builds the catalogue in Maxio's own pages. Answers to Sites, Product Families and Products of developers.maxio.com.
 */
import { notFound, ok } from './answers.ts';
import { FAMILY, type Product } from './catalogue.ts';
import { pageOf } from './paging.ts';
import type { Operation, Route, Site } from './site.ts';

const PER_PAGE_DEFAULT = 20;

const readSite: Operation = ({ id, subdomain, test, settings }) =>
  ok({
    site: {
      id,
      name: subdomain.charAt(0).toUpperCase() + subdomain.slice(1),
      subdomain,
      currency: 'USD',
      seller_id: 1,
      non_primary_currencies: [],
      relationship_invoicing_enabled: settings.relationshipInvoicing,
      schedule_subscription_cancellation_enabled: settings.scheduledCancellation,
      customer_hierarchy_enabled: false,
      whopays_enabled: false,
      whopays_default_payer: 'self',
      default_payment_collection_method: settings.defaultCollectionMethod,
      multi_frequency_enabled: false,
      auto_renewals_enabled: false,
      portal_enabled: true,
      test,
    },
  });

const families: Operation = () => ok([{ product_family: FAMILY }]);

const listed = (site: Site, query: URLSearchParams): { product: Product }[] =>
  pageOf(site.products, query, PER_PAGE_DEFAULT).map((product) => ({ product }));

const familyProducts: Operation = (site, { params, query }) =>
  [String(FAMILY.id), `handle:${FAMILY.handle}`].includes(params.family ?? '') ? ok(listed(site, query)) : notFound();

const products: Operation = (site, { query }) => ok(listed(site, query));

const one =
  (matches: (product: Product, param: string) => boolean, param: string): Operation =>
  (site, { params }) => {
    const product = site.products.find((candidate) => matches(candidate, params[param] ?? ''));
    return product ? ok({ product }) : notFound();
  };

export const productRoutes: readonly Route[] = [
  { method: 'GET', template: '/site.json', operation: readSite },
  { method: 'GET', template: '/product_families.json', operation: families },
  { method: 'GET', template: '/product_families/{family}/products.json', operation: familyProducts },
  { method: 'GET', template: '/products.json', operation: products },
  {
    method: 'GET',
    template: '/products/handle/{handle}.json',
    operation: one((product, handle) => product.handle === handle, 'handle'),
  },
  { method: 'GET', template: '/products/{id}.json', operation: one((product, id) => String(product.id) === id, 'id') },
];
