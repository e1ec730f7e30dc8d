/**
 * Owns the read-only endpoints of the catalogue: product families and products.
 * Refuses to write: a merchant builds the catalogue in Maxio's own pages. Answers to Product Families and Products of developers.maxio.com.
 */
import { notFound, ok } from './answers.ts';
import type { Product } from './catalogue.ts';
import { pageOf } from './paging.ts';
import type { Operation, Route, Site } from './site.ts';

const PER_PAGE_DEFAULT = 20;

type Family = Product['product_family'];

function familiesOf(site: Site): Family[] {
  return [...new Map(site.products.map(({ product_family: family }) => [family.id, family])).values()];
}

const families: Operation = (site) => ok(familiesOf(site).map((family) => ({ product_family: family })));

const listed = (all: readonly Product[], query: URLSearchParams): { product: Product }[] =>
  pageOf(all, query, PER_PAGE_DEFAULT).map((product) => ({ product }));

const familyProducts: Operation = (site, { params, query }) => {
  const family = familiesOf(site).find(({ id, handle }) => [String(id), `handle:${handle}`].includes(params.family ?? ''));
  if (!family) return notFound();
  return ok(
    listed(
      site.products.filter(({ product_family }) => product_family.id === family.id),
      query,
    ),
  );
};

const products: Operation = (site, { query }) => ok(listed(site.products, query));

/** Products and price points are named by id, or by handle with `handle:` before it. */
const pricePoint: Operation = (site, { params }) => {
  const named = (each: { id: number; handle: string }, name = '') => [String(each.id), `handle:${each.handle}`].includes(name);
  const product = site.products.find((each) => named(each, params.product));
  const point = site.pricePoints.find((each) => each.product_id === product?.id && named(each, params.point));
  return point ? ok({ price_point: point }) : notFound();
};

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
  { method: 'GET', template: '/products/{product}/price_points/{point}.json', operation: pricePoint },
  { method: 'GET', template: '/products/{id}.json', operation: one((product, id) => String(product.id) === id, 'id') },
];
