/**
 * Owns what one run knows while it lasts: the record as read, the link and the open steps as they change, and what has been seen.
 * Everything it learns is written down at once, under the lease. Refuses to decide (plan.ts) and to call Maxio (act.ts, look.ts).
 */
import type { AuditEntry } from '../directory/audit.ts';
import type { MaxioLink, OpenStep, UserRecord } from '../directory/record.ts';
import { intentOf } from '../directory/record.ts';
import type { Lease, Runs } from '../directory/runs.ts';
import { emailsOf } from '../directory/store.ts';
import type { Fence } from '../maxio/budget.ts';
import { foldEmail } from '../scim/fold.ts';
import { mapUser } from './mapping.ts';
import type { Desired, Known, Seen } from './plan-types.ts';

/** The lease was lost while the run was at work: what it knows may be out of date, and it may write nothing more. */
export class RunLost extends Error {
  constructor() {
    super('the lease of this run was lost');
    this.name = 'RunLost';
  }
}

export interface RunPolicy {
  productHandle?: string | undefined;
  policy: Desired['policy'];
  unknownOutcomeMs: number;
}

export class Run {
  readonly record: UserRecord;
  readonly lease: Lease;
  readonly desired: Desired;
  link: MaxioLink | undefined;
  open: OpenStep[];
  readonly seen: Seen = { refused: new Map() };
  /** Subscriptions about which an answer has contradicted the list once already. */
  readonly contradicted = new Set<string>();
  readonly #runs: Runs;
  readonly #policy: RunPolicy;
  readonly #startedMs = performance.now();
  readonly #startNowMs: number;
  readonly #userKey: string;

  constructor(parts: { record: UserRecord; lease: Lease; runs: Runs; policy: RunPolicy; nowMs: number; userKey: string }) {
    this.record = parts.record;
    this.lease = parts.lease;
    this.link = parts.record.link;
    if (this.link?.quiet === true && intentOf(parts.record) === 'active') {
      // Someone who is wanted again can be billed again, by us or by anybody at Maxio: the next leave has to look.
      const { quiet: _quiet, ...rest } = this.link;
      this.link = rest;
    }
    this.open = parts.record.open;
    this.#runs = parts.runs;
    this.#policy = parts.policy;
    this.#startNowMs = parts.nowMs;
    this.#userKey = parts.userKey;
    this.desired = desiredOf(parts.record, parts.policy);
  }

  get userKey(): string {
    return this.#userKey;
  }

  /** What the plan may rest on now. The clock is Redis TIME, carried on by the monotonic clock of this process. */
  known(): Known {
    return {
      link: this.link,
      open: this.open,
      seen: this.seen,
      nowMs: this.#startNowMs + Math.floor(performance.now() - this.#startedMs),
      unknownOutcomeMs: this.#policy.unknownOutcomeMs,
    };
  }

  /** What must hold when a mutating call leaves: this run still has the lease, and the person is still the one it read. */
  fences(): Fence[] {
    return [
      { key: this.lease.key, equals: this.lease.token },
      { key: this.#userKey, field: 'gen', equals: String(this.record.generation) },
    ];
  }

  /** Add to the story without changing what is known: the stored open steps and link stay as the sending script wrote them. */
  async tell(audit: AuditEntry): Promise<void> {
    const stored = { requestId: this.record.requestId, ...audit };
    await this.#runs.tell(this.record.id, this.record.generation, stored);
  }

  /** Write down what is now known. @throws RunLost when the lease is lost; then nothing was written and open steps stay open */
  async learn(link: MaxioLink | undefined, open: OpenStep[], audit?: AuditEntry): Promise<void> {
    const { generation, requestId } = this.record;
    const entry = audit === undefined ? {} : { audit: { requestId, ...audit } };
    if (!(await this.#runs.recordStep(this.lease, { generation, link, open, ...entry }))) throw new RunLost();
    if (link?.customerId !== this.link?.customerId) delete this.seen.subscriptions;
    this.link = link;
    this.open = open;
  }
}

function desiredOf(record: UserRecord, policy: RunPolicy): Desired {
  const { attributes } = record;
  return {
    intent: intentOf(record),
    mapped: mapUser(attributes),
    productHandle: policy.productHandle,
    policy: policy.policy,
    corroboration: [attributes.userName, ...emailsOf(attributes)].map(foldEmail),
    reference: record.reference,
    mark: `scim-${record.id}-`,
  };
}
