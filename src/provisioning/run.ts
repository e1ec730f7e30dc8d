/**
 * Owns what one run knows while it lasts: the record as read, the link and the open steps as they change, and what has been seen.
 * Everything it learns is written down at once, under the lease. Refuses to decide (plan.ts) and to call Maxio (act.ts, look.ts).
 */
import type { AuditEntry } from '../directory/audit.ts';
import type { GroupLabel } from '../directory/group-record.ts';
import type { MaxioLink, OpenStep, UserRecord } from '../directory/record.ts';
import { intentOf } from '../directory/record.ts';
import type { Lease, Runs } from '../directory/runs.ts';
import { emailsOf } from '../directory/store.ts';
import type { Fence } from '../maxio/budget.ts';
import { foldEmail } from '../scim/fold.ts';
import { unpackSeen } from './carry-over.ts';
import { familiesOf, type GroupPlans, wantedProducts } from './group-plans.ts';
import { mapUser } from './mapping.ts';
import { type LossPatience, lostFamilies, notBefore } from './patience.ts';
import type { Desired, Known, Seen } from './plan-types.ts';
import { linkClaimed } from './remember.ts';

/** The lease was lost while the run was at work: what it knows may be out of date, and it may write nothing more. */
export class RunLost extends Error {
  constructor() {
    super('the lease of this run was lost');
    this.name = 'RunLost';
  }
}

export interface RunPolicy extends LossPatience {
  /** The product of everybody to whom no group gives anything. */
  productHandle?: string | undefined;
  /** Absent where no group gives anything. */
  groupPlans?: GroupPlans | undefined;
  policy: Desired['policy'];
  unknownOutcomeMs: number;
  isProtected: (record: UserRecord) => boolean;
  /** What must still hold of this policy itself when a call leaves: another process may act by a newer one already. */
  fences?: Fence[];
}

interface RunParts {
  record: UserRecord;
  lease: Lease;
  runs: Runs;
  policy: RunPolicy;
  nowMs: number;
  lastLossMs?: number | undefined;
  /** When it was noticed last that data of this site was lost or set back. */
  dataLossAtMs?: number | undefined;
  /** Somebody with this reference was erased. */
  erased?: boolean;
  /** What the groups of this person are known by. */
  groups?: readonly GroupLabel[];
  userKey: string;
  /** Where the mode of the site is kept. */
  modeKey: string;
  /** Where it is kept which customer an operator has approved for a reference. */
  linksKey: string;
}

export class Run {
  readonly record: UserRecord;
  readonly lease: Lease;
  readonly desired: Desired;
  link: MaxioLink | undefined;
  open: OpenStep[];
  readonly seen: Seen;
  /** Subscriptions about which an answer has contradicted the list once already. */
  readonly contradicted = new Set<string>();
  readonly #runs: Runs;
  readonly #policy: RunPolicy;
  readonly #startedMs = performance.now();
  readonly #startNowMs: number;
  readonly #userKey: string;
  readonly #modeKey: string;
  readonly #linksKey: string;
  /** What was wanted when the last answer was written down; it may be newer than the record. */
  intentNow: Desired['intent'];

  constructor(parts: RunParts) {
    this.record = parts.record;
    this.lease = parts.lease;
    this.link = parts.record.link;
    if (this.link?.quiet === true && intentOf(parts.record) === 'active') {
      // Someone who is wanted again can be billed again, by us or by anybody at Maxio: the next leave has to look.
      const { quiet: _quiet, ...rest } = this.link;
      this.link = rest;
    }
    if (this.link?.shown !== undefined) this.link = linkClaimed(this.link, mapUser(parts.record.attributes));
    this.open = parts.record.open;
    this.seen = { ...unpackSeen(parts.record, parts.nowMs), refused: new Map() };
    this.#runs = parts.runs;
    this.#policy = parts.policy;
    this.#startNowMs = parts.nowMs;
    this.#userKey = parts.userKey;
    this.#modeKey = parts.modeKey;
    this.#linksKey = parts.linksKey;
    this.desired = desiredOf(parts.record, parts.policy, parts);
    this.intentNow = this.desired.intent;
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

  /**
   * What must hold when a call leaves: this run still has the lease, the person is still the one it read, the site is neither paused nor only observed,
   * and what was decided about a leave is still decided so.
   */
  fences(): Fence[] {
    const fences: Fence[] = [
      { key: this.lease.key, equals: this.lease.token },
      { key: this.#userKey, field: 'gen', equals: String(this.record.generation) },
      { key: this.#modeKey, field: 'mode', equals: 'enforce' },
      ...(this.#policy.fences ?? []),
    ];
    const leave = this.desired.intent === 'active' ? this.record.loss : this.record.leave;
    if (this.desired.intent === 'active' && leave === undefined) return fences;
    const hold = leave?.state;
    return [...fences, { key: this.#userKey, field: 'hold', equals: hold === 'free' ? undefined : hold }];
  }

  /** What must hold besides when a create leaves: nobody has approved an existing customer for this person since the index was read. */
  noNewLink(): Fence {
    return { key: this.#linksKey, field: this.record.reference, equals: this.seen.index?.approved };
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
    const wanted = await this.#runs.recordStep(this.lease, { generation, link, open, ...entry });
    if (wanted === undefined) throw new RunLost();
    this.intentNow = wanted;
    if (link?.customerId !== this.link?.customerId) delete this.seen.subscriptions;
    this.link = link;
    this.open = open;
  }
}

/** What should be true of this person at Maxio, under this policy. */
export function desiredOf(
  record: UserRecord,
  policy: RunPolicy,
  { lastLossMs, dataLossAtMs, groups = [], erased }: Pick<RunParts, 'lastLossMs' | 'dataLossAtMs' | 'groups' | 'erased'>,
): Desired {
  const { attributes } = record;
  const { productHandle, groupPlans } = policy;
  const lost = intentOf(record) === 'active' ? lostFamilies(record, policy, lastLossMs) : undefined;
  const from = notBefore(record, policy, lastLossMs);
  return {
    ...(from === undefined ? {} : { notBefore: from }),
    protected: policy.isProtected(record),
    intent: intentOf(record),
    left: record.leave !== undefined,
    mapped: mapUser(attributes),
    products: wantedProducts(groups, groupPlans, productHandle),
    plans: familiesOf(groupPlans, productHandle),
    ...(lost === undefined ? {} : { lost }),
    policy: policy.policy,
    corroboration: [attributes.userName, ...emailsOf(attributes)].map(foldEmail),
    reference: record.reference,
    ...(erased === true ? { erased } : {}),
    mark: `scim-${record.id}-`,
    said: { id: record.id, generation: record.generation, atMs: record.modifiedAtMs, lossAtMs: dataLossAtMs },
  };
}
