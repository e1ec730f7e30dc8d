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
import { familiesOf, wantedProducts } from '../../src/provisioning/group-plans.ts';
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
    const labels = {
      prefix: '',
      userKey: (id: string) => `user:${id}`,
      guard: async <T>(work: () => Promise<T>) => await work(),
      redis: { hmget: async (_key: string, ...names: string[]) => names.map((displayName) => JSON.stringify({ displayName })) },
    };
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
        const hold = (sim.record.leave ?? sim.record.loss)?.state;
        const decided = (hold ?? 'free') !== (end.leave ?? 'free');
        if (decided && (end.run.outcome !== 'settled' || end.leave === 'held')) return { kind: 'moved' as const };
        if (hold === 'held' && end.leave !== 'held') sim.#decide('free');
        if (end.run.outcome === 'settled' && end.losses === true) sim.#lossIsDone();
        sim.record.run = { ...end.run, atMs: sim.maxio.nowMs };
        return { kind: 'ok' as const, dirtySinceMs: 0, nowMs: sim.maxio.nowMs };
      },
    };
    const caller = {
      async call<T>(options: CallOptions, send: (signal: AbortSignal | undefined) => Promise<T>) {
        const hold = (sim.record.leave ?? sim.record.loss)?.state;
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
      store: labels as unknown as Store,
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
      if (before === 'inactive') this.#comeBack();
    } else if (before === 'active') {
      this.#remember();
      delete this.record.loss;
      this.lastLossMs = this.maxio.nowMs;
      this.record.leave = { atMs: this.maxio.nowMs, state: this.tripped ? 'held' : 'free' };
    }
    this.story.push(`IdP wants ${intentOf(this.record)}`);
  }

  /** What was given, lost or spared by family when the person left. */
  readonly #gave = new Map<string, 'group' | 'site' | 'spared'>();

  #given() {
    const { groupPlans, productHandle } = this.#policy;
    const labels = (this.record.groups ?? []).map((displayName) => ({ displayName }));
    return groupPlans === undefined ? [] : wantedProducts(labels, groupPlans, productHandle);
  }

  #remember(): void {
    this.#gave.clear();
    for (const { family = '', through } of this.#given()) this.#gave.set(family, through);
    for (const family of this.record.loss?.spared ?? []) this.#gave.set(family, 'spared');
    for (const family of Object.keys(this.record.loss?.families ?? {})) this.#gave.set(family, 'group');
  }

  /** What was given, was never ended and is given by no group any more is lost now. */
  #comeBack(): void {
    const { groupPlans, productHandle } = this.#policy;
    if (groupPlans === undefined) return;
    const plans = familiesOf(groupPlans, productHandle);
    const given = this.#given();
    const reviving = this.record.open.flatMap(({ target }) => target ?? []);
    const known = (this.record.link?.subscriptions ?? []).filter(
      ({ id, state }) => state !== 'canceled' || reviving.includes(id),
    );
    const families: Record<string, number> = {};
    const spared = new Set<string>();
    for (const { productHandle: product = '' } of [...known, ...this.record.open]) {
      const family = plans[product] ?? '';
      const had = this.#gave.get(family);
      const now = given.find((each) => each.family === family);
      if (had === undefined || now?.through === 'group') continue;
      if (had === 'spared') spared.add(family);
      else if (now === undefined || (had === 'group' && now.productHandle !== product)) families[family] = this.maxio.nowMs;
    }
    const lost = Object.keys(families).length > 0;
    if (!lost && spared.size === 0) return;
    if (lost) this.lastLossMs = this.maxio.nowMs;
    const state = !lost ? 'exempt' : this.tripped ? 'held' : 'free';
    this.record.loss = { atMs: this.maxio.nowMs, state, families, spared: [...spared], monthlyCents: 0 };
  }

  #lossIsDone(): void {
    const { loss } = this.record;
    if (loss === undefined || loss.state === 'held' || loss.state === 'exempt') return;
    if (loss.spared.length === 0) delete this.record.loss;
    else this.record.loss = { ...loss, state: 'exempt', families: {} };
  }

  /** The groups of the person, by name, as membership.lua understands a change of them. */
  inGroups(...names: string[]): void {
    const { groupPlans, productHandle } = this.#policy;
    const given = (groups: readonly string[] = []) =>
      new Map(
        wantedProducts(
          groups.map((displayName) => ({ displayName })),
          groupPlans,
          productHandle,
        ).map((product) => [product.family ?? '', product]),
      );
    const [was, is] = [given(this.record.groups), given(names)];
    this.record.groups = names;
    this.story.push(`IdP says groups: ${names.join(', ')}`);
    const text = (products: typeof was): string => JSON.stringify([...products].sort());
    if (intentOf(this.record) === 'inactive' || text(was) === text(is)) return;
    this.record.generation += 1;
    delete this.record.run;
    const before = this.record.loss;
    const families: Record<string, number> = { ...before?.families };
    const spared = new Set(before?.spared);
    for (const [family, { through }] of is) {
      if (through === 'site') continue;
      delete families[family];
      spared.delete(family);
    }
    const gone = [...was].filter(([family, { through }]) => {
      const now = is.get(family);
      return now === undefined || (now.through === 'site' && through === 'group');
    });
    for (const [family] of gone) {
      families[family] = this.maxio.nowMs;
      spared.delete(family);
    }
    if (gone.length > 0) this.lastLossMs = this.maxio.nowMs;
    if (Object.keys(families).length === 0 && spared.size === 0) {
      if (before?.state === 'held') this.tripped = false;
      delete this.record.loss;
      return;
    }
    const kept = before?.state ?? 'free';
    const state =
      gone.length > 0
        ? this.tripped || kept === 'held'
          ? 'held'
          : 'free'
        : Object.keys(families).length === 0
          ? 'exempt'
          : kept;
    const atMs = gone.length > 0 ? this.maxio.nowMs : (before?.atMs ?? 0);
    this.record.loss = { atMs, state, families, spared: [...spared], monthlyCents: 0 };
  }

  /** Too many others have left: whoever has left and is not applied yet is held, and everybody who leaves from now on. */
  trip(): void {
    this.tripped = true;
    const { run } = this.record;
    const leave = this.record.leave ?? this.record.loss;
    if (leave?.state === 'free' && run?.outcome !== 'settled') {
      leave.state = 'held';
      delete this.record.run;
    }
    this.story.push('the guard trips');
  }

  /** An operator decides about the leave, if it is held. */
  decide(decision: 'approve' | 'reject'): void {
    const { loss } = this.record;
    if ((this.record.leave ?? loss)?.state !== 'held') return;
    this.#decide(decision === 'approve' ? 'approved' : 'exempt');
    if (loss !== undefined && decision === 'reject')
      this.record.loss = { ...loss, families: {}, spared: [...new Set([...loss.spared, ...Object.keys(loss.families)])] };
    delete this.record.run;
    this.story.push(`the operator decides: ${decision}`);
  }

  #decide(state: LeaveState): void {
    const leave = this.record.leave ?? this.record.loss;
    if (leave !== undefined) leave.state = state;
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
