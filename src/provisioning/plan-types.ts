/** Owns the words between observing, planning and acting. No behaviour. */
import type { MaxioLink, OpenStep } from '../directory/record.ts';
import type { IndexSight } from '../directory/survey-index.ts';
import type { Customer, CustomerFields, Subscription } from '../maxio/types.ts';
import type { Mapped } from './mapping.ts';

/** What should be true at Maxio. */
export interface Desired {
  intent: 'active' | 'inactive';
  /** Was active here and has left since, which the guard has seen; somebody who was never active has not. */
  left?: boolean;
  mapped: Mapped;
  /** The product everyone of this site gets; absent: customers without a subscription of ours. */
  productHandle?: string | undefined;
  policy: 'cancel' | 'cancel_at_period_end' | 'hold';
  /** Of a leaver: nothing is ended before this moment of Redis TIME, and why not. */
  notBefore?: { atMs: number; reason: 'grace' | 'calm' };
  /** On the list of people whose subscriptions are never ended. */
  protected?: boolean;
  /** userName and e-mail addresses, folded: what an existing customer must share to be taken for the same person. */
  corroboration: string[];
  /** The person's own, letter by letter: a customer found in another letter case belongs to somebody else. */
  reference: string;
  /** Prefix of the subscription references this person's subscriptions carry when we made them. */
  mark: string;
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

export type Step =
  | { kind: 'create-customer' }
  | { kind: 'create-with-subscription'; productHandle: string }
  | { kind: 'create-subscription'; productHandle: string; customerId: string }
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
