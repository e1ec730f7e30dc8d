/**
 * Owns how rules are written that give groups a product: in a file, in an entry of SITES_FILE, and in the body of the ops API. Refuses to know
 * whether Maxio has these products (survey/group-plans.ts).
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** One rule, as an operator has written it. For each product family the first rule that one of the person's groups matches counts. */
export interface GroupPlan {
  group: { displayName: string } | { externalId: string };
  product: string;
  pricePoint?: string | undefined;
  collectionMethod?: 'automatic' | 'remittance' | 'prepaid' | 'invoice' | undefined;
}

export const GROUP_PLANS_MAX = 500;

const handle = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.:-]{0,254}$/, 'must be the API handle shown at Maxio, not a name');
const name = z.string().trim().min(1).max(1_000);

const groupPlan = z.strictObject({
  group: z
    .union([
      name.transform((displayName) => ({ displayName })),
      z.strictObject({ displayName: name }),
      z.strictObject({ externalId: name }),
    ])
    .describe('displayName of the group, or an object with its displayName or its externalId.'),
  product: handle.describe('API handle of the product.'),
  pricePoint: handle.optional().describe('API handle of one of its price points; the default one where it is left out.'),
  collectionMethod: z
    .enum(['automatic', 'remittance', 'prepaid', 'invoice'])
    .optional()
    .describe('How it is paid. Left out: a new subscription as all of the site, one that is moved to the product as before.'),
});

/** The whole list, in its order. */
export const groupPlanList = z.array(groupPlan).max(GROUP_PLANS_MAX);

/** Reads rules that have been parsed as JSON already. @param where what is told before a problem */
export function parseGroupPlans(value: unknown, problems: string[], where: string): GroupPlan[] {
  const read = groupPlanList.safeParse(value);
  if (read.success) return read.data;
  for (const { path, message } of read.error.issues.slice(0, 5)) {
    const at =
      typeof path[0] === 'number' ? ` at rule ${path[0] + 1}${path.length > 1 ? ` (${path.slice(1).join('.')})` : ''}` : '';
    problems.push(`${where}${at}: ${message}`);
  }
  return [];
}

/** Reads MAXIO_GROUP_PLANS_FILE. A file that cannot be read is a reason not to start: nobody would know which products people are given. */
export function readGroupPlans(path: string, problems: string[], where: string): GroupPlan[] {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8').replace(/^\uFEFF/, ''));
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException;
    const why = code ? `cannot be read (${code}); check the path and its permissions` : 'is not valid JSON';
    problems.push(`${where}MAXIO_GROUP_PLANS_FILE ${why}`);
    return [];
  }
  return parseGroupPlans(content, problems, `${where}MAXIO_GROUP_PLANS_FILE`);
}
