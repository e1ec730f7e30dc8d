/**
 * Owns the groups of a history as an identity provider sees them: who is in which, what they are called, and the requests that say so, repeated until they
 * are answered for good. Two of three give a product, a fourth is about nothing; a rename takes the product away from everybody in it, or gives it back.
 * Refuses to judge (check-groups.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { patch } from '../../support/people.ts';
import type { BelievedGroup } from './evidence.ts';
import type { Random } from './random.ts';

/** In the order of the rules. The first two replace each other, and the product of the site. */
export const RULES = [
  { group: 'Gold', product: 'gold', family: 'plans' },
  { group: 'Silver', product: 'silver', family: 'plans' },
  { group: 'Extra', product: 'extra', family: 'extras' },
] as const;

/** What the sandbox sells in such a history. */
export const GROUP_PRODUCTS = [
  { handle: 'pro', priceInCents: 29_900, family: 'plans' },
  { handle: 'basic', priceInCents: 1_900, family: 'others' },
  ...RULES.map(({ product, family }) => ({ handle: product, priceInCents: 4_900, family })),
];

const NAMES = [...RULES.map(({ group }) => group), 'Chess'];
const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';
const TRIES_MAX = 200;

type Send = (
  method: string,
  path: string,
  body?: unknown,
) => Promise<{ status: number | 'unknown'; body: Record<string, unknown> }>;

export class GroupLife {
  readonly #send: Send;
  readonly #dialect: 'okta' | 'entra';
  readonly #groups: BelievedGroup[] = [];
  /** One rename at a time, as one administrator would. */
  #renames: Promise<void> = Promise.resolve();

  constructor(send: Send, dialect: 'okta' | 'entra') {
    this.#send = send;
    this.#dialect = dialect;
  }

  get believed(): BelievedGroup[] {
    return this.#groups;
  }

  /** Makes the groups, empty. */
  async begin(random: Random): Promise<void> {
    for (const displayName of NAMES) {
      const made = await this.#insist(random, 'POST', '/Groups', { schemas: [GROUP], displayName });
      let id = String(made.body.id);
      // An earlier, unanswered request has made it.
      if (made.status === 409) {
        const found = await this.#insist(
          random,
          'GET',
          `/Groups?filter=${encodeURIComponent(`displayName eq "${displayName}"`)}`,
        );
        id = String(((found.body.Resources ?? []) as { id?: string }[])[0]?.id);
      }
      this.#groups.push({ id, displayName, members: [] });
    }
  }

  /** Somebody who exists joins a group, or leaves it; sometimes two at once, which is how people move. */
  async move(userId: string, random: Random): Promise<void> {
    for (let moves = random.between(1, 2); moves > 0; moves -= 1) {
      const group = random.pick(this.#groups);
      const isIn = group.members.includes(userId);
      const { status } = await this.#insist(random, 'PATCH', `/Groups/${group.id}`, patch(this.#operation(userId, isIn)));
      if (status === 'unknown' || status >= 300) group.doubted = true;
      else if (isIn) group.members = group.members.filter((one) => one !== userId);
      else group.members.push(userId);
    }
  }

  /** Whoever is deleted is in no group any more. */
  forget(userId: string): void {
    for (const group of this.#groups) group.members = group.members.filter((one) => one !== userId);
  }

  /** Gives a group another name, or its own again. */
  async rename(random: Random): Promise<void> {
    const group = random.pick(this.#groups);
    const rename = async (): Promise<void> => {
      const displayName = group.displayName.endsWith(' (old)') ? group.displayName.slice(0, -6) : `${group.displayName} (old)`;
      const operation = { op: 'replace', value: { id: group.id, displayName } };
      const { status } = await this.#insist(random, 'PATCH', `/Groups/${group.id}`, patch(operation));
      if (status === 'unknown' || status >= 300) group.doubted = true;
      else group.displayName = displayName;
    };
    const done = this.#renames.then(rename);
    this.#renames = done;
    await done;
  }

  #operation(value: string, isIn: boolean): Record<string, unknown> {
    if (this.#dialect === 'okta') {
      return isIn ? { op: 'remove', path: `members[value eq "${value}"]` } : { op: 'add', path: 'members', value: [{ value }] };
    }
    return { op: isIn ? 'Remove' : 'Add', path: 'members', value: [{ value, $ref: null }] };
  }

  async #insist(random: Random, method: string, path: string, body?: unknown): ReturnType<Send> {
    let last = await this.#send(method, path, body);
    for (
      let tries = 1;
      tries < TRIES_MAX && (last.status === 'unknown' || last.status === 429 || last.status >= 500);
      tries += 1
    ) {
      await sleep(random.between(50, 400));
      last = await this.#send(method, path, body);
    }
    return last;
  }
}
