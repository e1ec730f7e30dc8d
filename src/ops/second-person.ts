/**
 * Owns the rule of the second person: whoever changed what the service does to people does not also approve its effects. Where only one person has a
 * token the rule cannot be kept; then it is not pretended, and the answer and the audit trail say so.
 * Refuses to know what is approved.
 */
import type { NamedOperator } from '../config.ts';
import { AND } from '../survey/configured.ts';
import type { Importer } from '../survey/imports.ts';
import type { Operator } from './ops-auth.ts';
import { OpsError } from './ops-error.ts';
import type { OpsSite } from './site-view.ts';

/** Those who are no person: the service itself, and tokens that several may hold. */
const NOBODY = new Set(['start', 'survey', 'drift', 'service', 'ops-token', 'ops-page']);

/** What set a mode that no person has: first contact, a survey that nothing was left of, or a loss that was noticed. */
const MODE_OF_NOBODY = new Set(['start', 'survey', 'lost', 'restored']);

const SET_MODE = 'last set the mode';

export interface Hand {
  name: string;
  /** As it stands in "…, so somebody else must approve". */
  did: string;
}

/** Whether somebody else than the operator is known to have made the changes. */
export function isSecondPerson(operator: Operator, operators: readonly NamedOperator[], hands: Hand[]): boolean {
  if (operators.length < 2 || ownHand(operator, hands) !== undefined) return false;
  return hands.every(({ name }) => !NOBODY.has(name));
}

/** Refuses an approval by one of the hands it must not come from. @throws OpsError 403 */
export function refuseOwnHand(operator: Operator, operators: readonly NamedOperator[], hands: Hand[]): void {
  const own = ownHand(operator, hands);
  if (own === undefined || operators.length < 2) return;
  // Those who would be refused as well are no advice.
  const free = operators.filter((other) => other.role === 'approver' && ownHand(other, hands) === undefined);
  const others = free.map(({ name }) => name);
  throw new OpsError(
    403,
    'second-person',
    `${operator.name} ${own.did}, so somebody else must approve.`,
    others.length === 0
      ? `No approver is left who has changed nothing: add one to OPS_TOKENS_FILE, which is read again within seconds${hands.some(({ did }) => did === SET_MODE) ? ', or let an operator who approves nothing set the mode anew (maxio-scim mode enforce)' : ''}.`
      : `Ask one of: ${others.slice(0, 5).join(', ')}.`,
  );
}

/** A configuration may have two authors: of the rules that give groups a product, and of all else. */
export function authorsOf(author: string, did: string): Hand[] {
  return author.split(AND).map((name) => ({ name, did }));
}

function ownHand({ name }: Pick<Operator, 'name'>, hands: Hand[]): Hand | undefined {
  return hands.find((hand) => hand.name.toLowerCase() === name.toLowerCase());
}

/** Those whose changes decide what a leave does: who made the configuration that is acted by, who last set the mode, and who imported people. */
export async function handsOf(site: OpsSite): Promise<Hand[]> {
  const [{ applied }, mode] = await Promise.all([site.configuration.state(), site.modes.read()]);
  const hands = authorsOf(applied?.author ?? 'start', 'made the configuration');
  // A mode that nobody has set is nobody's change, and a release is itself an approval: counted here, two approvers would lock each other out.
  const isRelease = mode?.byRelease || mode?.atMs === mode?.releasedAtMs;
  if (mode !== undefined && !isRelease && !MODE_OF_NOBODY.has(mode.by)) hands.push({ name: mode.by, did: SET_MODE });
  return [...hands, ...importHands(await site.imports.importers())];
}

/** A file says who has left and who is held, so who brought it does not let the site act by it. */
export function importHands(importers: readonly Importer[]): Hand[] {
  return importers.map(({ name }) => ({ name, did: 'has imported people since the last release by somebody else' }));
}
