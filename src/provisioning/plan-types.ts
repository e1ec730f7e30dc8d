/** Owns the words between observing, planning and acting. No behaviour. */
import type { MaxioLink, OpenStep } from '../directory/record.ts';
import type { IndexSight } from '../directory/survey-index.ts';
import type { Customer, CustomerFields, Subscription } from '../maxio/types.ts';
import type { Mapped } from './mapping.ts';

/** One product a person should be subscribed to. */
export interface WantedProduct {
  productHandle: string;
  /** Absent: the default price point, or the one that is there. */
  pricePointHandle?: string | undefined;
  /** Absent: the one of the site where it is sold, and the one that is there where a subscription is moved to it. */
  paymentCollectionMethod?: string | undefined;
  /** Absent where no group gives anything, so that nothing depends on it. */
  family?: string | undefined;
  /** Whether a group gives it, or the site to those to whom no group gives anything. */
  through: 'group' | 'site';
}

/** From when on the loss is acted on, and why not before; never while it is held, and not at all once it is exempt. */
export type LostFamily = { fromMs: number; reason: 'grace' | 'calm' } | 'held' | 'exempt';

/** The last word about a person that this directory knows, which may be older than data that was set back since. */
export interface LastWord {
  /** SCIM id, by which our cancels name whom they are about. */
  id: string;
  generation: number;
  /** Redis TIME at which the identity provider changed this person last; groups do not move it. */
  atMs: number;
  /** Redis TIME at which it was noticed last that data was lost or set back; absent where that never was. */
  lossAtMs?: number | undefined;
}

/** What should be true at Maxio. */
export interface Desired {
  intent: 'active' | 'inactive';
  /** Was active here and has left since, which the guard has seen; somebody who was never active has not. */
  left?: boolean;
  mapped: Mapped;
  /** At most one for each product family; empty: a customer without a subscription of ours. */
  products: readonly WantedProduct[];
  /** Every product that the site's groups can give, and the site's own: handle -> family. Empty where no group gives anything. */
  plans: Readonly<Record<string, string>>;
  /** Families whose product a group has taken away, and what may be done about each. */
  lost?: Readonly<Record<string, LostFamily>>;
  policy: 'cancel' | 'cancel_at_period_end' | 'hold';
  /** Of a leaver: nothing is ended before this moment of Redis TIME, and why not. */
  notBefore?: { atMs: number; reason: 'grace' | 'calm' };
  /** On the list of people whose subscriptions are never ended. */
  protected?: boolean;
  /** userName and e-mail addresses, folded: what an existing customer must share to be taken for the same person. */
  corroboration: string[];
  /** The person's own, letter by letter: a customer found in another letter case belongs to somebody else. */
  reference: string;
  /** Somebody with this reference was erased here: a customer that carries it is taken over only by an operator's word. */
  erased?: boolean;
  /** Prefix of the subscription references this person's subscriptions carry when we made them. */
  mark: string;
  /** What an ending at Maxio is compared with before it is undone. */
  said?: LastWord;
}

/** What this run has seen with its own eyes; each look carries Redis TIME of the moment it was granted. */
export interface Seen {
  /** A create was refused because the reference is taken. */
  referenceTaken?: boolean;
  /** By reference. */
  customer?: { value: Customer | undefined; atMs: number };
  /** Whether the customer that was found by reference carries subscriptions with this person's mark. */
  marked?: { value: boolean };
  /** What the last survey says about a person who has no customer yet; read from our own memory. */
  index?: IndexSight;
  /** Of the linked customer; `undefined` value: Maxio does not know that customer id. */
  subscriptions?: { value: Subscription[] | undefined; atMs: number };
  /** Subscriptions that Maxio refused to reactivate, to hold or to end later in this run, with its reason. */
  refused: Map<string, string>;
}

export interface Known {
  link?: MaxioLink | undefined;
  open: OpenStep[];
  seen: Seen;
  nowMs: number;
  /** How long an unanswered call may still take effect. */
  unknownOutcomeMs: number;
}

/** What is sold, and how it is paid where a rule says so. */
export interface Sale {
  productHandle: string;
  pricePointHandle?: string;
  paymentCollectionMethod?: string;
}

export type Step =
  | { kind: 'create-customer' }
  | ({ kind: 'create-with-subscription' } & Sale)
  | ({ kind: 'create-subscription'; customerId: string } & Sale)
  | ({ kind: 'change-product'; target: string } & Sale)
  | { kind: 'update-customer'; customerId: string; fields: CustomerFields }
  | {
      kind: 'cancel' | 'delay-cancel' | 'undo-delayed-cancel' | 'hold' | 'resume' | 'reactivate';
      target: string;
    };

/** By reference; of the linked customer; of a customer that is not linked yet; into the survey index, which costs no call. */
export type LookAt = 'customer' | 'subscriptions' | 'marks' | 'index';

export type Decision =
  | { kind: 'settle'; note?: string }
  | { kind: 'look'; at: LookAt }
  | { kind: 'step'; step: Step }
  /** Knowledge changes without a call: link a customer that was found, drop what is disproved. */
  | { kind: 'note'; link?: MaxioLink | undefined; open: OpenStep[]; why: string }
  | { kind: 'wait'; untilMs: number; reason: string; detail: string }
  | { kind: 'retry'; reason: string; detail: string }
  | { kind: 'park'; reason: string; detail: string };
