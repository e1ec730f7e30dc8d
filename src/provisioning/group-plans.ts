/**
 * Owns what a person should be subscribed to: for each product family the first rule that one of their groups matches, else the product of the site. Pure.
 * A rule carries the family of its product, as Maxio has told it, and what its group is found by, so that the scripts that change groups
 * (directory/membership.lua) and the plan decide by the same texts. Refuses to know who is in which group and what stands at Maxio.
 */
import type { GroupLabel } from '../directory/group-record.ts';
import { digest } from '../directory/keys.ts';
import { foldUserName } from '../scim/fold.ts';
import type { WantedProduct } from './plan-types.ts';

/** How a rule names its group: by `displayName`, compared as SCIM compares it, or by `externalId`, letter by letter. */
export type GroupName = { displayName: string } | { externalId: string };

export interface PlanRule {
  group: GroupName;
  /** {@link matchOf} its group. */
  match: string;
  product: string;
  pricePoint?: string;
  collectionMethod?: string;
  /** Handle of the product family at Maxio. */
  family: string;
}

/** The rules that a site acts by, in their order. */
export interface GroupPlans {
  rules: readonly PlanRule[];
  /** Family of the site's own product; `undefined` where there is none. */
  siteFamily?: string | undefined;
}

/** What a group is found by in a rule: a digest, since the scripts have no other way to compare. */
export function matchOf(group: GroupName): string {
  return 'displayName' in group ? `name:${digest(foldUserName(group.displayName))}` : `externalId:${digest(group.externalId)}`;
}

/** List what a person in these groups should be subscribed to, in the order of the rules. */
export function wantedProducts(
  groups: readonly GroupLabel[],
  plans: GroupPlans | undefined,
  siteProduct: string | undefined,
): WantedProduct[] {
  const matches = new Set(groups.flatMap(matchesOf));
  const wanted = new Map<string, WantedProduct>();
  for (const { match, family, product, pricePoint, collectionMethod } of plans?.rules ?? []) {
    if (wanted.has(family) || !matches.has(match)) continue;
    wanted.set(family, {
      productHandle: product,
      ...(pricePoint === undefined ? {} : { pricePointHandle: pricePoint }),
      ...(collectionMethod === undefined ? {} : { paymentCollectionMethod: collectionMethod }),
      family,
      through: 'group',
    });
  }
  if (wanted.size > 0 || siteProduct === undefined) return [...wanted.values()];
  const family = plans?.siteFamily;
  return [{ productHandle: siteProduct, ...(family === undefined ? {} : { family }), through: 'site' }];
}

/** Every product that groups or the site can give: handle -> family; empty where no group gives anything. */
export function familiesOf(plans: GroupPlans | undefined, siteProduct: string | undefined): Record<string, string> {
  if (plans === undefined || plans.rules.length === 0) return {};
  const families = Object.fromEntries(plans.rules.map(({ product, family }) => [product, family]));
  return siteProduct === undefined || plans.siteFamily === undefined
    ? families
    : { ...families, [siteProduct]: plans.siteFamily };
}

function matchesOf({ displayName, externalId }: GroupLabel): string[] {
  return [matchOf({ displayName }), ...(externalId === undefined ? [] : [matchOf({ externalId })])];
}
