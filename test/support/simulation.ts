/**
 * Owns a simulated world around the real reconcile code: one person, a directory in memory with the same fences, the model of Maxio, a virtual clock.
 * Refuses Redis and HTTP, so that thousands of histories run in seconds.
 */
import { pino } from 'pino';
import type { AuditEntry } from '../../src/directory/audit.ts';
import { intentOf, type LeaveState, type UserRecord } from '../../src/directory/record.ts';
import type { Finish, Lease, Runs } from '../../src/directory/runs.ts';
import type { Mode } from '../../src/directory/site-mode.ts';
import type { Store } from '../../src/directory/store.ts';
import type { MaxioClient } from '../../src/maxio/client.ts';
import { type Caller, type CallOptions, NotMade } from '../../src/provisioning/caller.ts';
import type { Outcome } from '../../src/provisioning/outcome.ts';
import { type ReconcileParts, reconcile } from '../../src/provisioning/reconcile.ts';
import type { RunPolicy } from '../../src/provisioning/run.ts';
import { createTelemetry } from '../../src/telemetry.ts';
import { ModelMaxio } from './model-maxio.ts';

const UNKNOWN_OUTCOME_MS = 130_000;
const telemetry = createTelemetry({ version: 'test', processMetrics: false });

export class Simulation {
  readonly maxio = new ModelMaxio();
  readonly story: string[] = [];
  readonly audits: AuditEntry[] = [];
  mode: Mode = 'enforce';
  lastLossMs: number | undefined;
  /** The guard holds everybody who leaves. */
  tripped = false;
  record: UserRecord = {
    schemaVersion: 1,
    id: '11111111-1111-5111-8111-111111111111',
    reference: '00u1',
    generation: 1,
    settledGeneration: 0,
    attributes: { userName: 'ann@example.com', active: true, name: { givenName: 'Ann', familyName: 'Lee' } },
    deleted: false,
    createdAtMs: 0,
    modifiedAtMs: 0,
    requestId: 'r1',
    open: [],
  };
  readonly #parts: ReconcileParts;
  readonly #policy: RunPolicy;

  constructor(policy: Partial<RunPolicy> = {}) {
    const sim = this;
    this.#policy = {
      productHandle: 'pro',
      policy: 'cancel',
      unknownOutcomeMs: UNKNOWN_OUTCOME_MS,
      graceMs: 0,
      calmMs: 0,
      isProtected: () => false,
      ...policy,
    };
    const runs = {
      async begin() {
        return { record: structuredClone(sim.record), mode: sim.mode, nowMs: sim.maxio.nowMs, lastLossMs: sim.lastLossMs };
      },
      async recordStep(_lease: Lease, step: Pick<UserRecord, 'open'> & { link: UserRecord['link']; audit?: AuditEntry }) {
        const { link: _link, ...rest } = sim.record;
        sim.record = structuredClone({ ...rest, open: step.open, ...(step.link === undefined ? {} : { link: step.link }) });
        if (step.audit) sim.audits.push(step.audit);
        if (step.audit) sim.story.push(`${step.audit.kind} ${step.audit.what} ${String(step.audit.result ?? '')}`);
        return intentOf(sim.record);
      },
      async tell(_id: string, _generation: number, audit: AuditEntry) {
        sim.story.push(`${audit.kind} ${audit.what} ${String(audit.result ?? '')}`);
      },
      async finish(_lease: Lease, end: Finish) {
        if (end.run.outcome === 'settled') sim.record.settledGeneration = Math.max(sim.record.settledGeneration, end.generation);
        if (sim.record.generation !== end.generation) return { kind: 'moved' as const };
        const hold = sim.record.leave?.state;
        if ((hold ?? 'free') !== (end.leave ?? 'free') && end.run.outcome !== 'settled') return { kind: 'moved' as const };
        if (hold === 'held') sim.#decide('free');
        sim.record.run = { ...end.run, atMs: sim.maxio.nowMs };
        return { kind: 'ok' as const, dirtySinceMs: 0, nowMs: sim.maxio.nowMs };
      },
    };
    const caller = {
      async call<T>(options: CallOptions, send: (signal: AbortSignal | undefined) => Promise<T>) {
        const hold = sim.record.leave?.state;
        const held = {
          gen: String(sim.record.generation),
          mode: sim.mode,
          hold: hold === 'free' || hold === undefined ? undefined : hold,
        };
        for (const { field, equals } of options.fences ?? []) {
          if (field !== undefined && held[field as keyof typeof held] !== equals) throw new NotMade('fenced', 0, options.lane);
        }
        for (const note of options.notes ?? []) {
          const value = JSON.parse(note.value.replaceAll('"$now"', String(sim.maxio.nowMs)));
          Object.assign(sim.record, { [note.field]: value });
        }
        const atMs = sim.maxio.nowMs;
        return { value: await send(undefined), atMs };
      },
    };
    this.#parts = {
      siteKey: 'us.acme',
      store: { prefix: '', userKey: (id: string) => `user:${id}` } as unknown as Store,
      runs: runs as unknown as Runs,
      caller: caller as unknown as Caller,
      client: this.maxio as unknown as MaxioClient,
      policy: this.#policy,
      paymentCollectionMethod: 'remittance',
      logger: pino({ level: 'silent' }),
      telemetry,
    };
  }

  /** The IdP says something new. */
  want(change: { active?: boolean; familyName?: string; phone?: string; deleted?: boolean }): void {
    const { attributes } = this.record;
    const next = {
      ...attributes,
      active: change.active ?? attributes.active,
      name: { givenName: 'Ann', familyName: change.familyName ?? 'Lee' },
      ...(change.phone === undefined ? {} : { phoneNumbers: change.phone === '' ? [] : [{ value: change.phone }] }),
    };
    const before = intentOf(this.record);
    this.record = {
      ...this.record,
      attributes: next,
      deleted: change.deleted ?? this.record.deleted,
      generation: this.record.generation + 1,
    };
    delete this.record.run;
    const after = intentOf(this.record);
    if (after === 'active') {
      if (this.record.leave?.state === 'held') this.tripped = false;
      delete this.record.leave;
    } else if (before === 'active') {
      this.lastLossMs = this.maxio.nowMs;
      this.record.leave = { atMs: this.maxio.nowMs, state: this.tripped ? 'held' : 'free' };
    }
    this.story.push(`IdP wants ${intentOf(this.record)}`);
  }

  /** Too many others have left: whoever has left and is not applied yet is held, and everybody who leaves from now on. */
  trip(): void {
    this.tripped = true;
    const { leave, run } = this.record;
    if (leave?.state === 'free' && run?.outcome !== 'settled') {
      leave.state = 'held';
      delete this.record.run;
    }
    this.story.push('the guard trips');
  }

  /** An operator decides about the leave, if it is held. */
  decide(decision: 'approve' | 'reject'): void {
    if (this.record.leave?.state !== 'held') return;
    this.#decide(decision === 'approve' ? 'approved' : 'exempt');
    delete this.record.run;
    this.story.push(`the operator decides: ${decision}`);
  }

  #decide(state: LeaveState): void {
    if (this.record.leave !== undefined) this.record.leave.state = state;
    this.tripped = false;
  }

  /** The operator sells another product from now on. */
  sell(productHandle: string): void {
    this.#policy.productHandle = productHandle;
  }

  async run(): Promise<Outcome> {
    const lease = { id: this.record.id, key: 'lease', token: 't', unfinished: 0, abandoned: false };
    const outcome = await reconcile(lease, this.#parts, new AbortController().signal);
    this.story.push(`run: ${outcome.kind} ${outcome.reason ?? ''}`);
    return outcome;
  }

  /** Without further faults, run and wait until the person is settled or parked. */
  async converge(): Promise<Outcome> {
    this.maxio.nextFault = () => ({ fault: 'none', lateMs: 0 });
    for (let i = 0; i < 60; i += 1) {
      const outcome = await this.run();
      if (outcome.kind === 'settled' || outcome.kind === 'parked' || outcome.kind === 'held') return outcome;
      this.maxio.advance(Math.max(1, outcome.waitMs ?? 0));
    }
    throw new Error(`no end in sight:\n${this.story.slice(-40).join('\n')}`);
  }
}
