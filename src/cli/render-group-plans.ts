/** Owns what `group-plans` prints: the rules in their order, what Maxio says of their products, and whether they are at work. Pure. */
import type { GroupPlansAnswer } from './answers-rollout.ts';
import { type Cell, grid, paint, plain } from './terminal.ts';

type Rule = GroupPlansAnswer['rules'][number];

/** Prints the rules that are wanted, and how far they are at work. */
export function renderGroupPlans({ site, from, by, at, rules, problems, applied }: GroupPlansAnswer): string[] {
  const origin =
    from === 'file' ? 'as configured' : `set by ${plain(by ?? 'somebody')} at ${plain(at ?? '?')}, in place of the configuration`;
  const head = paint('bold', plain(site));
  if (rules.length === 0) return [`${head}: groups give no products (${origin}).`, ...stateLines(problems, rules, applied)];
  const rows = rules.map((rule, n): Cell[] => [
    { text: String(n + 1) },
    { text: plain(groupOf(rule)), style: 'bold' },
    { text: plain(rule.product) },
    { text: plain(rule.pricePoint ?? '-') },
    { text: plain(rule.collectionMethod ?? '-') },
  ]);
  return [
    `${head}: ${origin}. For each product family the first rule that matches counts.`,
    ...grid(['', 'Group', 'Product', 'Price point', 'Paid by'], rows),
    ...stateLines(problems, rules, applied),
  ];
}

function groupOf({ group }: Rule): string {
  return group.displayName ?? `externalId ${group.externalId ?? '?'}`;
}

function stateLines(problems: readonly string[], rules: readonly Rule[], applied: readonly Rule[]): string[] {
  if (problems.length > 0)
    return [...problems.map((problem) => paint('red', plain(problem))), 'Until that is mended, the rules before go on to apply.'];
  const text = (list: readonly Rule[]): string =>
    JSON.stringify(
      list.map((rule) => [groupOf(rule), rule.product.toLowerCase(), rule.pricePoint?.toLowerCase(), rule.collectionMethod]),
    );
  return text(rules) === text(applied)
    ? ['They are at work.']
    : [paint('yellow', 'They are not at work yet: maxio-scim config says whether they wait for an approval.')];
}
