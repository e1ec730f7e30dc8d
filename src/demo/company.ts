/**
 * Owns the company of the onboarding demo: customers who are at Maxio already, and the people whom its identity providers will push. The same size gives
 * the same company, so that a second program can play the identity provider of a demo that is running.
 * The mixture is that of a site which has been billing for years: most customers without a `reference`, some doubles, some marked by another system.
 */
import { createHash } from 'node:crypto';
import { seededRandom } from '../sandbox/random.ts';
import type { Seed } from '../sandbox/seed.ts';
import type { Member } from './cast.ts';

export interface Company {
  /** What Maxio holds before anything of ours has run. */
  customers: Extract<Seed['customers'], object[]>;
  /** Everyone assigned in the identity providers, as many as there are customers. */
  people: Member[];
  /** Two who leave on an ordinary day, and three who have really left when everybody seems to. */
  leavers: Member[];
  gone: Member[];
  /** Two whom a colleague edits at Maxio by hand. */
  edited: [Member, Member];
}

type Customer = Company['customers'][number];

/** What is told of every fifty customers; the other 44 have no reference and the e-mail address of one person. */
const EVERY = 50;
const KINDS: Record<number, 'double' | 'stranger' | 'crm' | 'crm-stranger' | 'ours'> = {
  1: 'stranger',
  2: 'stranger',
  3: 'crm',
  4: 'crm-stranger',
  5: 'ours',
  7: 'double',
};

const GIVEN = [
  'Ada',
  'Amir',
  'Anouk',
  'Bruno',
  'Carla',
  'Chen',
  'Daria',
  'Emil',
  'Fatou',
  'Goran',
  'Hanna',
  'Ivo',
  'Jun',
  'Karim',
  'Leila',
  'Marek',
  'Nadia',
  'Omar',
  'Paula',
  'Quentin',
  'Rosa',
  'Sven',
  'Tomas',
  'Yuki',
];
const FAMILY = [
  'Adler',
  'Bauer',
  'Castro',
  'Dubois',
  'Eriksen',
  'Fischer',
  'Garcia',
  'Haddad',
  'Ito',
  'Jansen',
  'Kowalski',
  'Lopez',
  'Moreau',
  'Nguyen',
  'Olsen',
  'Petrov',
  'Rossi',
  'Sato',
  'Turner',
  'Ueda',
  'Varga',
  'Weiss',
  'Yilmaz',
];

/** Makes the company of a size: so many customers, and so many people. A smaller one is the beginning of a larger one. */
export function createCompany(size: number): Company {
  const random = seededRandom(1);
  const customers: Customer[] = [];
  const people: Member[] = [];
  const settled: Member[] = [];
  for (let index = 0; index < size; index++) {
    const person = personOf(index);
    const kind = KINDS[index % EVERY];
    const subscriptions = subscriptionsOf(random());
    const before = people.at(-1);
    const billed = kind === 'double' && before !== undefined ? before : person;
    // Somebody new takes the place of whoever has no customer, so that there are as many people as customers.
    people.push(person);
    customers.push({ ...customerOf(billed, index, kind), subscriptions });
    const single = kind === undefined && KINDS[(index + 1) % EVERY] !== 'double';
    if (single && subscriptions.some(({ state, product_handle }) => state === undefined && product_handle !== 'free'))
      settled.push(person);
  }
  const [first, ...others] = settled;
  const second = others.find(({ via }) => via !== first?.via);
  const rest = others.filter((person) => person !== second);
  const [renamed, canceled] = rest.slice(3);
  if (first === undefined || second === undefined || renamed === undefined || canceled === undefined) {
    throw new Error(`a company of ${size} is too small for the story`);
  }
  return { customers, people, leavers: [first, second], gone: rest.slice(0, 3), edited: [renamed, canceled] };
}

function customerOf(person: Member, index: number, kind: (typeof KINDS)[number] | undefined): Customer {
  const customer: Customer = { first_name: person.givenName, last_name: person.familyName, email: person.email };
  switch (kind) {
    case 'stranger':
      return { ...customer, email: `billing-${index + 1}@supplier.example` };
    case 'crm':
      return { ...customer, reference: `crm-${40_000 + index}` };
    case 'crm-stranger':
      return { ...customer, reference: `crm-${40_000 + index}`, email: `accounts-${index + 1}@supplier.example` };
    case 'ours':
      return { ...customer, reference: person.externalId };
    case 'double':
      return { ...customer, first_name: `${person.givenName.charAt(0)}.` };
    case undefined:
      // Typed by hand years ago: the same address in other letters.
      return index % 10 === 8 ? { ...customer, email: person.email.toUpperCase() } : customer;
  }
}

function subscriptionsOf(chance: number): { product_handle: string; state?: string }[] {
  if (chance < 0.04) return [];
  if (chance < 0.08) return [{ product_handle: 'pro', state: 'canceled' }];
  if (chance < 0.09) return [{ product_handle: 'basic', state: 'on_hold' }];
  return [{ product_handle: chance < 0.6 ? 'pro' : chance < 0.95 ? 'basic' : 'free' }];
}

function personOf(index: number): Member {
  const givenName = GIVEN[index % GIVEN.length] ?? '';
  const familyName = FAMILY[index % FAMILY.length] ?? '';
  const email = `${givenName}.${familyName}.${index + 1}@harbour.example`.toLowerCase();
  const digest = createHash('sha256').update(`harbour ${index}`).digest('hex');
  const via = index % 2 === 0 ? 'Okta' : 'Entra';
  const externalId = via === 'Okta' ? `00u${digest.slice(0, 17)}` : uuidOf(digest);
  return { via, externalId, givenName, familyName, userName: email, email, title: 'Analyst', id: '' };
}

function uuidOf(digest: string): string {
  return [
    digest.slice(0, 8),
    digest.slice(8, 12),
    `4${digest.slice(13, 16)}`,
    `8${digest.slice(17, 20)}`,
    digest.slice(20, 32),
  ].join('-');
}
