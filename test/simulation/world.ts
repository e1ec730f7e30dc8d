/**
 * Owns one world: two api and two worker processes of the real service, the models of Redis, BullMQ and Maxio, the identity provider and an operator, on one
 * clock. It carries out the events of a history, lets everything come to its end, and gathers the evidence. Refuses to judge.
 */
import { decodeAudit } from '../../src/directory/audit.ts';
import { Holds } from '../../src/directory/holds.ts';
import { decodeRecord } from '../../src/directory/record-codec.ts';
import { SiteModes } from '../../src/directory/site-mode.ts';
import type { CustomerJson } from '../../src/sandbox/customer-json.ts';
import type { SubscriptionJson } from '../../src/sandbox/subscription-json.ts';
import type { Evidence, StoredPerson } from '../faults/bench/evidence.ts';
import type { Random } from '../faults/bench/random.ts';
import { bellFaults, bellsOf } from './bullmq.ts';
import { SimProcess, VirtualClock } from './clock.ts';
import { SimServer, shaped } from './connection.ts';
import { APIS, type History, type HistoryEvent, type ProcessName, WORKERS } from './history.ts';
import { type Api, SimIdp, wishOf } from './idp.ts';
import { Keyspace } from './keyspace.ts';
import { SimMaxio } from './maxio.ts';
import { openRedis, openStore, openUsers, PRODUCT, SITE, startWorker } from './site.ts';

const PREFIX = `scim:{${SITE.key}}:`;
/** Virtual time that may pass after the last fault until nothing is pending. */
const QUIET_MS = 4 * 3_600_000;
/** Calls that nobody waits for may still take effect for so long. */
const LATE_MS = 40_000;
/** A call leaves this long after its grant at most (src/maxio/budget.ts), and travels for a while. */
const SEND_GRACE_MS = 5_500;
/** Where no process is ever paused, only the ways take time. */
const TRAVEL_MS = 600;

/** What a test may break on purpose. */
export interface Sabotage {
  /** Changes the text of a script. */
  script?: (name: string, lua: string) => string;
  /** Carried out once, some time after the beginning. */
  meddle?: (world: World) => void;
  /** No commit is heard; what the sweep does not find stays undone. */
  deaf?: true;
}

export class World {
  readonly clock: VirtualClock;
  readonly maxio: SimMaxio;
  readonly server: SimServer;
  readonly #history: History;
  readonly #idp: SimIdp;
  readonly #operator = new SimProcess('operator');
  readonly #holds: Holds;
  readonly #modes: SiteModes;
  readonly #apis = new Map<ProcessName, Api>();
  readonly #workers = new Map<ProcessName, { process: SimProcess; close: () => Promise<void> }>();
  readonly #foreign: Evidence['foreign'] = { customers: [], subscriptions: [] };
  readonly #deaf: boolean;
  #endedMs = 0;
  #quietMs = 0;

  constructor(history: History, chance: Random, sabotage: Sabotage = {}) {
    this.#history = history;
    this.#deaf = sabotage.deaf === true;
    this.clock = new VirtualClock(chance.fork('globals'));
    this.maxio = new SimMaxio(this.clock, chance.fork('maxio'));
    const keyspace = new Keyspace(() => this.clock.nowMs);
    this.server = new SimServer(keyspace, this.clock, chance.fork('redis'), sabotage.script ?? ((_name, lua) => lua));
    const apis = (): Api[] => APIS.flatMap((name) => this.#apis.get(name) ?? []);
    this.#idp = new SimIdp(this.clock, chance.fork('idp'), apis, (error) => this.server.defects.push(error));
    const redis = openRedis(this.server, this.#operator);
    this.#holds = new Holds(openStore(redis, history.settings));
    this.#modes = new SiteModes(redis, SITE.key);
  }

  /** Play the whole history. */
  async play(): Promise<Evidence> {
    const startMs = this.clock.nowMs;
    if (this.#deaf) bellFaults.set(this.server, { lost: 1, doubled: 0, apiOnly: true });
    this.#plantForeign();
    for (const name of APIS) this.#startApi(name);
    for (const name of WORKERS) this.#startWorker(name);
    for (const event of this.#history.events) {
      const waitMs = startMs + event.atMs - this.clock.nowMs;
      if (waitMs > 0) await this.clock.sleep(waitMs, undefined);
      this.#carryOut(event);
    }
    await this.#end();
    return this.#evidence();
  }

  #carryOut(event: HistoryEvent): void {
    switch (event.kind) {
      case 'write':
        this.#idp.write(event);
        break;
      case 'read':
        this.#idp.read(event);
        break;
      case 'kill':
        this.#kill(event.process, event.downMs);
        break;
      case 'restart':
        this.#restart(event.process, event.downMs);
        break;
      case 'pause':
        this.#pause(event.process, event.ms);
        break;
      case 'redis-dies':
        this.server.kill(event.downMs);
        break;
      case 'redis-freezes':
        this.server.frozenUntilMs = Math.max(this.server.frozenUntilMs, this.clock.nowMs + event.ms);
        break;
      case 'maxio':
        // A copy: orders are used up.
        this.maxio.orders.push({ ...event });
        break;
      case 'bells':
        if (!this.#deaf) bellFaults.set(this.server, event);
        break;
      case 'order':
        this.#order(event.order, event.person);
        break;
      case 'staff':
        this.#staff(event.person);
        break;
    }
  }

  #pause(name: ProcessName, ms: number): void {
    const process = this.#processOf(name);
    if (process !== undefined) process.pausedUntilMs = Math.max(process.pausedUntilMs, this.clock.nowMs + ms);
  }

  #processOf(name: ProcessName): SimProcess | undefined {
    return this.#apis.get(name)?.process ?? this.#workers.get(name)?.process;
  }

  #startApi(name: ProcessName): void {
    const process = new SimProcess(name);
    this.#apis.set(name, { process, users: openUsers(this.server, process, this.#history.settings), pending: new Set() });
  }

  #startWorker(name: ProcessName): void {
    const process = new SimProcess(name);
    // Begun by an event of its own, so that its timers belong to it.
    this.clock.after(1, process, () => {
      const close = startWorker(this.server, process, this.maxio, this.#history.settings);
      this.#workers.set(name, { process, close });
    });
  }

  #start(name: ProcessName): void {
    if ((APIS as readonly string[]).includes(name)) this.#startApi(name);
    else this.#startWorker(name);
  }

  #kill(name: ProcessName, downMs: number): void {
    const process = this.#processOf(name);
    if (process === undefined || !process.alive) return;
    process.alive = false;
    for (const broken of this.#apis.get(name)?.pending ?? []) this.clock.after(1, undefined, broken);
    this.clock.after(downMs, undefined, () => this.#start(name));
  }

  /** SIGTERM: a worker ends what it has begun; after that, or after the deadline, the process is gone. */
  #restart(name: ProcessName, downMs: number): void {
    const worker = this.#workers.get(name);
    if (worker === undefined || !worker.process.alive) {
      this.#kill(name, downMs);
      return;
    }
    const gone = (): void => this.#kill(name, downMs);
    this.clock.after(15_000, undefined, () => {
      if (this.#workers.get(name) === worker) gone();
    });
    this.clock.after(0, worker.process, () => {
      worker.close().then(() => this.clock.after(1, undefined, gone), gone);
    });
  }

  #order(order: Extract<HistoryEvent, { kind: 'order' }>['order'], person: number): void {
    const requestId = `order-${this.clock.turns}`;
    this.clock.after(0, this.#operator, () => {
      const done =
        order === 'approve' || order === 'reject'
          ? this.#decide(person, order, requestId)
          : this.#modes.set(order, { by: 'ann', requestId });
      Promise.resolve(done).catch(() => undefined);
    });
  }

  async #decide(person: number, decision: 'approve' | 'reject', requestId: string): Promise<void> {
    const held = await this.#holds.list(0, 100);
    const id = held[person % Math.max(1, held.length)];
    if (id !== undefined) await this.#holds.decide(id, decision, { by: 'ann', requestId });
  }

  /** Somebody at Maxio sells something else to a person of ours. */
  #staff(person: number): void {
    const { model } = this.maxio;
    const customer = model.customers[person % Math.max(1, model.customers.length)];
    if (
      customer === undefined ||
      customer.reference === null ||
      this.#foreign.customers.some(({ id }) => String(id) === customer.id)
    )
      return;
    this.#sell(customer.id);
  }

  #sell(customerId: string): void {
    const { model } = this.maxio;
    void model.createSubscription({
      productHandle: 'other',
      paymentCollectionMethod: 'remittance',
      reference: 'staff',
      customer: { kind: 'existing', id: customerId },
    });
    const sold = model.subscriptions.at(-1);
    if (sold !== undefined) this.#foreign.subscriptions.push(this.#subscriptionJson(sold));
  }

  #plantForeign(): void {
    const { model } = this.maxio;
    void model.createCustomer('someone-else', { first_name: 'Sam', last_name: 'Stranger', email: 'sam@elsewhere.example' });
    const [customer] = model.customers;
    if (customer === undefined) return;
    this.#foreign.customers.push(customerJson(customer));
    this.#sell(customer.id);
  }

  /** Faults are over; wait until nothing is pending, and until no late call can come any more. */
  async #end(): Promise<void> {
    this.maxio.orders.length = 0;
    if (!this.#deaf) bellFaults.delete(this.server);
    // What lies in the sockets of a frozen server is carried out when it goes on, so that has to come first.
    await this.clock.sleep(this.server.frozenUntilMs - this.clock.nowMs + 500, undefined);
    for (const { process } of [...this.#apis.values(), ...this.#workers.values()]) {
      process.pausedUntilMs = Math.min(process.pausedUntilMs, this.clock.nowMs);
    }
    await this.#idp.quiet();
    for (;;) {
      // As a release does, which ends a recovery before the mode.
      this.server.keyspace.command('HDEL', `${PREFIX}site`, 'recovery');
      this.#order('enforce', 0);
      await this.clock.sleep(3_000, undefined);
      if (this.server.keyspace.command('HGET', `${PREFIX}mode`, 'mode') === 'enforce') break;
    }
    while (this.#history.settings.approves && this.#count('held') > 0) {
      this.#order('approve', 0);
      await this.clock.sleep(1_000, undefined);
    }
    this.#endedMs = this.clock.nowMs;
    for (;;) {
      while (this.#pending() && this.clock.nowMs - this.#endedMs < QUIET_MS) await this.clock.sleep(5_000, undefined);
      this.#quietMs = this.clock.nowMs - this.#endedMs;
      if (this.#pending()) break;
      await this.clock.sleep(LATE_MS, undefined);
      if (!this.#pending()) break;
    }
    // The period ends: what is scheduled to end does.
    for (const subscription of this.maxio.model.subscriptions) {
      if (subscription.ending && subscription.state !== 'canceled')
        Object.assign(subscription, { state: 'canceled', ending: false });
    }
  }

  #pending(): boolean {
    return this.#count('dirty') > 0;
  }

  #count(list: string): number {
    return Number(this.server.keyspace.command('ZCARD', PREFIX + list));
  }

  #evidence(): Evidence {
    const { callsPerWindow, windowSeconds, concurrency, policy } = this.#history.settings;
    const rows = this.server.keyspace.command('XRANGE', `${PREFIX}audit`, '-', '+') as [string, string[]][];
    const people = this.server.keyspace
      .keys(`${PREFIX}user:`)
      .map((key) => this.server.keyspace.command('HMGET', key, 'subject', 'id') as string[]);
    const subjects = new Map(people.map(([subject = '', id = '']) => [subject, id]));
    return {
      settings: {
        product: PRODUCT,
        policy,
        callsPerWindow,
        windowMs: windowSeconds * 1_000,
        concurrency,
        sendGraceMs: this.#history.events.some(({ kind }) => kind === 'pause') ? SEND_GRACE_MS : TRAVEL_MS,
        slackMs: 0,
        canaries: [],
        rssBytesMax: 0,
        openFilesMax: 0,
        warnLinesPerSecondMax: 0,
        bellsPerPersonMax: 4,
      },
      acks: this.#idp.acks,
      ledger: this.maxio.ledger,
      customers: this.maxio.model.customers.map(customerJson),
      subscriptions: this.maxio.model.subscriptions.map((each) => this.#subscriptionJson(each)),
      people: this.#people(),
      audit: rows.map(([, fields]) => ({ ...decodeAudit(fields), user: subjects.get(fields[1] ?? '') ?? '' })),
      auditSeq: Number(this.server.keyspace.command('HGET', `${PREFIX}auditClock`, 'seq') ?? 0),
      // Nobody makes rounds here, so nothing is sealed.
      chain: [],
      bells: bellsOf(this.server),
      texts: [],
      processes: [],
      foreign: this.#foreign,
      unmended: [],
      quiet: { reached: !this.#pending(), waitedMs: this.#quietMs },
    };
  }

  #people(): StoredPerson[] {
    const { keyspace } = this.server;
    const start = `${PREFIX}user:`;
    return keyspace.keys(start).flatMap((key): StoredPerson[] => {
      const id = key.slice(start.length);
      const record = decodeRecord(shaped('hgetall', keyspace.command('HGETALL', key)) as Record<string, string>);
      if (record === undefined) return [];
      const { reference, generation, deleted, attributes, run, leave, link, open } = record;
      const listed = (list: string): boolean => keyspace.command('ZSCORE', PREFIX + list, id) !== null;
      return [
        {
          id,
          reference,
          ...(link === undefined ? {} : { customerId: Number(link.customerId) }),
          generation,
          deleted,
          ...wishOf(attributes),
          dirty: listed('dirty'),
          parked: listed('parked'),
          ...(run?.outcome === 'parked' && run.reason !== undefined ? { parkedFor: run.reason } : {}),
          held: leave?.state === 'held',
          exempt: leave?.state === 'exempt',
          open: open.map(({ kind }) => kind),
        },
      ];
    });
  }

  #subscriptionJson(row: SimMaxio['model']['subscriptions'][number]): SubscriptionJson {
    const customer = this.maxio.model.customers.find(({ id }) => id === row.customerId);
    return {
      id: Number(row.id),
      state: row.state,
      reference: row.reference,
      cancel_at_end_of_period: row.ending,
      customer: customer === undefined ? null : customerJson(customer),
      product: { handle: row.productHandle },
    } as unknown as SubscriptionJson;
  }
}

function customerJson(row: SimMaxio['model']['customers'][number]): CustomerJson {
  return { ...row, id: Number(row.id) } as unknown as CustomerJson;
}
