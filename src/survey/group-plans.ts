/**
 * Owns which rules a site wants its groups to be worth: those set through the ops API, else those of the configuration; and whether Maxio sells what they
 * name. Each product is read from Maxio once and remembered; a product that is unknown or archived makes the whole list unacceptable, and it is asked for
 * again every minute. Refuses to act by the rules (configuration.ts, provisioning) and to judge who may set them (ops).
 */
import type { GroupPlan } from '../config-group-plans.ts';
import type { Store } from '../directory/store.ts';
import { type CatalogueEntry, StoredGroupPlans } from '../directory/stored-group-plans.ts';
import type { Logger } from '../logger.ts';
import type { MaxioClient } from '../maxio/client.ts';
import { MaxioError } from '../maxio/error.ts';
import { type Caller, NotMade } from '../provisioning/caller.ts';
import { matchOf, type PlanRule } from '../provisioning/group-plans.ts';
import { Refused } from './refused.ts';

/** What the rules come to. */
export type ResolvedPlans =
  /** Acceptable; `author` where an operator has set them, or, at the moment `backAtMs`, has gone back to those in the file. */
  | { kind: 'ready'; rules: PlanRule[]; siteFamily?: string | undefined; author?: string | undefined; backAtMs?: number }
  /** Maxio does not sell what they name, or what the site itself names beside them; `of` tells which. */
  | { kind: 'refused'; problems: string[]; of: ('rules' | 'site')[] }
  /** Maxio has not been asked, or has not answered. */
  | { kind: 'unanswered' };

export interface GroupPlansState {
  rules: GroupPlan[];
  /** `file`: as configured. */
  from: 'file' | 'ops';
  by?: string;
  atMs?: number;
  /** What is wrong with them; empty when nothing is, or nobody knows yet. */
  problems: string[];
}

export interface GroupPlansParts {
  siteKey: string;
  store: Store;
  caller: Caller;
  client: Pick<MaxioClient, 'readProduct' | 'readPricePoint'>;
  /** As configured. */
  rules: readonly GroupPlan[];
  siteProduct: string | undefined;
  logger: Logger;
}

/** Refused products are asked for again after this: somebody may have made them meanwhile. */
const REFUSED_MS = 60_000;
const UNANSWERED_MS = 5_000;

interface Named {
  /** In the catalogue. */
  name: string;
  product: string;
  pricePoint?: string | undefined;
}

export class GroupPlans {
  readonly #parts: GroupPlansParts;
  readonly #stored: StoredGroupPlans;
  #againMs = 0;
  #asking: Promise<void> | undefined;
  #told = '';

  constructor(parts: GroupPlansParts) {
    this.#parts = parts;
    this.#stored = new StoredGroupPlans(parts.store);
  }

  /** What is wanted now. Asks Maxio for products that nobody has asked for yet, but no sooner than is polite. @throws when Redis is away */
  async wanted(): Promise<ResolvedPlans> {
    const set = await this.#stored.read();
    const rules = set?.rules ?? this.#parts.rules;
    const back = set === undefined ? await this.#stored.back() : undefined;
    const author = set !== undefined ? { author: set.by } : back === undefined ? {} : { author: back.by, backAtMs: back.atMs };
    if (rules.length === 0) return { kind: 'ready', rules: [], ...author };
    let resolved = await this.#resolve(rules);
    if (resolved.kind !== 'ready' && performance.now() >= this.#againMs) {
      this.#asking ??= this.#askNow(rules).finally(() => {
        this.#asking = undefined;
      });
      await this.#asking;
      resolved = await this.#resolve(rules);
    }
    this.#tell(resolved);
    return resolved.kind === 'ready' ? { ...resolved, ...author } : resolved;
  }

  async state(): Promise<GroupPlansState> {
    const set = await this.#stored.read();
    const rules = [...(set?.rules ?? this.#parts.rules)];
    const resolved = rules.length === 0 ? undefined : await this.#resolve(rules);
    const problems = resolved?.kind === 'refused' ? resolved.problems : [];
    return set === undefined ? { rules, from: 'file', problems } : { rules, from: 'ops', by: set.by, atMs: set.atMs, problems };
  }

  /** What notices tell: which rules Maxio cannot fulfil, and since when they stand. */
  async standing(): Promise<{ problems: GroupPlansState['problems']; sinceMs: number | undefined }> {
    const { problems, atMs } = await this.state();
    return { problems, sinceMs: atMs };
  }

  /** Set rules in place of those in the file, after asking Maxio for every product they name. @throws Refused */
  async set(rules: readonly GroupPlan[], order: { by: string; requestId: string }): Promise<void> {
    if (rules.length > 0 && !(await this.#ask(rules, 'all'))) {
      throw new Refused(
        'maxio-silent',
        'Maxio could not be asked for the products that these rules name, so nothing was set.',
        'Try again when maxio-scim status says that Maxio answers.',
      );
    }
    const resolved: ResolvedPlans = rules.length === 0 ? { kind: 'ready', rules: [] } : await this.#resolve(rules);
    if (resolved.kind !== 'ready') {
      const problems = resolved.kind === 'refused' ? resolved.problems : [];
      throw new Refused(
        'products-unknown',
        `Nothing was set. ${problems.join(' ')}`.trim(),
        'Use the API handles that Maxio shows on the pages of the products, and products that are not archived.',
      );
    }
    const audit = {
      kind: 'operator',
      what: 'group-plans-set',
      actor: order.by,
      requestId: order.requestId,
      rules: rules.length,
    } as const;
    await this.#stored.set(rules, order.by, audit);
  }

  /** Go back to the rules in the file. */
  async reset({ by, requestId }: { by: string; requestId: string }): Promise<void> {
    await this.#stored.set(undefined, by, { kind: 'operator', what: 'group-plans-reset', actor: by, requestId });
  }

  #named(rules: readonly GroupPlan[]): Named[] {
    const { siteProduct } = this.#parts;
    const all: Named[] = rules.flatMap(({ product, pricePoint }) => [
      { name: product, product },
      ...(pricePoint === undefined ? [] : [{ name: `${product} ${pricePoint}`, product, pricePoint }]),
    ]);
    if (siteProduct !== undefined) all.push({ name: siteProduct, product: siteProduct });
    return [...new Map(all.map((each) => [each.name, each])).values()];
  }

  async #resolve(rules: readonly GroupPlan[]): Promise<ResolvedPlans> {
    const named = this.#named(rules);
    const known = await this.#stored.known(named.map(({ name }) => name));
    if (named.some(({ name }) => !known.has(name))) return { kind: 'unanswered' };
    const wrong = named.filter((each) => problemOf(each, known.get(each.name)) !== undefined);
    if (wrong.length > 0) {
      const problems = wrong.flatMap((each) => problemOf(each, known.get(each.name)) ?? []);
      const isOfRules = ({ product, pricePoint }: Named): boolean =>
        pricePoint !== undefined || rules.some((rule) => rule.product === product);
      const ofSite = wrong.some(({ name }) => name === this.#parts.siteProduct);
      return {
        kind: 'refused',
        problems,
        of: [...(wrong.some(isOfRules) ? ['rules' as const] : []), ...(ofSite ? ['site' as const] : [])],
      };
    }
    const spelled = (name: string): string => known.get(name)?.found?.handle ?? name;
    const { siteProduct } = this.#parts;
    return {
      kind: 'ready',
      rules: rules.map(({ group, product, pricePoint, collectionMethod }) => ({
        group,
        match: matchOf(group),
        product: spelled(product),
        ...(pricePoint === undefined ? {} : { pricePoint: spelled(`${product} ${pricePoint}`) }),
        ...(collectionMethod === undefined ? {} : { collectionMethod }),
        family: known.get(product)?.found?.family ?? '',
      })),
      siteFamily: siteProduct === undefined ? undefined : known.get(siteProduct)?.found?.family,
    };
  }

  async #askNow(rules: readonly GroupPlan[]): Promise<void> {
    const answered = await this.#ask(rules, 'missing');
    this.#againMs = performance.now() + (answered ? REFUSED_MS : UNANSWERED_MS);
  }

  /** Ask Maxio for products, one call each. @returns false when some could not be asked for */
  async #ask(rules: readonly GroupPlan[], which: 'all' | 'missing'): Promise<boolean> {
    const named = this.#named(rules);
    const known = await this.#stored.known(named.map(({ name }) => name));
    const wanted = named.filter((each) => which === 'all' || problemOf(each, known.get(each.name)) !== undefined);
    for (const each of wanted) {
      const entry = await this.#read(each);
      if (entry === undefined) return false;
      await this.#stored.learn(each.name, entry);
    }
    return true;
  }

  async #read({ product, pricePoint }: Named): Promise<CatalogueEntry | undefined> {
    const { caller, client } = this.#parts;
    const options = { operation: 'read-product', lane: 'normal' } as const;
    try {
      if (pricePoint === undefined) {
        const { value, atMs } = await caller.call(options, (stop) => client.readProduct(product, stop));
        const found = value && { handle: value.handle, family: value.family, archived: value.archived };
        return { ...(found ? { found } : {}), readAtMs: atMs };
      }
      const { value, atMs } = await caller.call(options, (stop) => client.readPricePoint(product, pricePoint, stop));
      return { ...(value ? { found: { handle: value.handle, archived: value.archived } } : {}), readAtMs: atMs };
    } catch (error) {
      if (error instanceof MaxioError || error instanceof NotMade) return undefined;
      throw error;
    }
  }

  #tell(resolved: ResolvedPlans): void {
    const told = resolved.kind === 'refused' ? resolved.problems.join(' ') : '';
    if (told !== '' && told !== this.#told) {
      const { logger, siteKey } = this.#parts;
      logger.error(
        { site: siteKey, problems: told },
        'the rules that give groups a product are not acceptable; what applies goes on to apply',
      );
    }
    this.#told = told;
  }
}

/** What is wrong with one product; `undefined` when nothing is. Nobody having asked is wrong as well. */
function problemOf({ product, pricePoint }: Named, entry: CatalogueEntry | undefined): string | undefined {
  const what = pricePoint === undefined ? `product ${product}` : `price point ${pricePoint} of product ${product}`;
  if (entry?.found === undefined) return `Maxio has no ${what}.`;
  if (entry.found.archived) return `At Maxio the ${what} is archived.`;
  if (pricePoint === undefined && !entry.found.family) return `Maxio does not tell the family of the ${what}.`;
  return undefined;
}
