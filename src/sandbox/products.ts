/**
 * Owns the read-only endpoints of the catalogue: product families and products.
 * Refuses to write: a merchant builds the catalogue in Maxio's own pages. Answers to Product Families and Products of developers.maxio.com.
 */
import { notFound, ok } from './answers.ts';
import { FAMILY, type Product } from './catalogue.ts';
import { pageOf } from './paging.ts';
import type { Operation, Route, Site } from './site.ts';

const PER_PAGE_DEFAULT = 20;

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
