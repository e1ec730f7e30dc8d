/**
 * Owns the way between a process and the modelled Maxio, and the ledger of what arrived there: each call travels, takes effect and is answered, each at its
 * own moment, and any of the three may fail to come. Refuses Maxio's rules (test/support/model-maxio.ts) and to know why anybody calls.
 */
import { CALLS, pathOf } from '../../src/maxio/calls.ts';
import type { MaxioClient } from '../../src/maxio/client.ts';
import { MaxioError, type MaxioErrorKind } from '../../src/maxio/error.ts';
import type { LedgerEntry } from '../../src/sandbox/ledger.ts';
import type { Random } from '../faults/bench/random.ts';
import { ModelMaxio } from '../support/model-maxio.ts';
import type { SimProcess, VirtualClock } from './clock.ts';

/**
 * `unreachable`: no connection. `lost`: it never arrives. `hangs`: it arrives, has no effect and no answer. `late`: the effect comes when nobody waits.
 * `cut`: effect, no answer. `cut-before`: neither, at once. `failed` and `failed-after`: a 500 before and after the effect. `slow`: all is well, later.
 */
export const MAXIO_FAULTS = [
  'unreachable',
  'lost',
  'hangs',
  'late',
  'cut',
  'cut-before',
  'failed',
  'failed-after',
  'slow',
  'throttled',
  'unauthorized',
] as const;
export type MaxioFault = (typeof MAXIO_FAULTS)[number];

export interface FaultOrder {
  fault: MaxioFault;
  /** How many calls it hits. */
  calls: number;
  writesOnly: boolean;
  /** For `late`, `hangs` and `slow`: how long, at most {@link CUT_OFF_MS}. */
  lateMs: number;
}

/** What the client waits, what Maxio itself works on one request, and for how long no conclusion is drawn: as in production, in a quarter of the time. */
const DEADLINE_MS = 10_000;
export const CUT_OFF_MS = 24_000;
export const UNKNOWN_OUTCOME_SECONDS = 30;

interface Request {
  call: (typeof CALLS)[keyof typeof CALLS];
  path: string;
  body?: unknown;
  signal?: AbortSignal | undefined;
}

export class SimMaxio {
  readonly model = new ModelMaxio();
  readonly ledger: LedgerEntry[] = [];
  readonly orders: FaultOrder[] = [];
  readonly #clock: VirtualClock;
  readonly #random: Random;
  #inFlight = 0;

  constructor(clock: VirtualClock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** The client of one process. */
  client(owner: SimProcess): MaxioClient {
    const { model } = this;
    const ask = async <T>(request: Request, effect: () => Promise<T>): Promise<T> => await this.#ask(owner, request, effect);
    const about = (call: Request['call'], id: string, body?: unknown): Request => ({ call, path: pathOf(call, id), body });
    const client: Partial<Record<keyof MaxioClient, unknown>> = {
      readSite: (signal?: AbortSignal) =>
        ask({ call: CALLS.readSite, path: CALLS.readSite.template, signal }, () => model.readSite()),
      lookupCustomer: (reference: string, signal?: AbortSignal) =>
        ask({ call: CALLS.lookupCustomer, path: pathOf(CALLS.lookupCustomer, undefined, { reference }), signal }, () =>
          model.lookupCustomer(reference),
        ),
      listSubscriptions: (id: string, signal?: AbortSignal) =>
        ask({ ...about(CALLS.listSubscriptions, id), signal }, () => model.listSubscriptions(id)),
      createCustomer: (reference: string, fields: object, _token: string, signal?: AbortSignal) =>
        ask(
          {
            call: CALLS.createCustomer,
            path: CALLS.createCustomer.template,
            body: { customer: { ...fields, reference } },
            signal,
          },
          () => model.createCustomer(reference, fields),
        ),
      createSubscription: (input: Parameters<MaxioClient['createSubscription']>[0], _token: string, signal?: AbortSignal) =>
        ask({ call: CALLS.createSubscription, path: CALLS.createSubscription.template, body: signup(input), signal }, () =>
          model.createSubscription(input),
        ),
      updateCustomer: (id: string, fields: object, signal?: AbortSignal) =>
        ask({ ...about(CALLS.updateCustomer, id, { customer: fields }), signal }, () => model.updateCustomer(id, fields)),
      cancelSubscription: (id: string, message: string, signal?: AbortSignal) =>
        ask({ ...about(CALLS.cancelSubscription, id), signal }, () => model.cancelSubscription(id, message)),
    };
    for (const name of ['delayCancel', 'undoDelayedCancel', 'hold', 'resume', 'reactivate'] as const) {
      client[name] = (id: string, signal?: AbortSignal) =>
        ask({ ...about(CALLS[name], id), signal }, async (): Promise<unknown> => await model[name](id));
    }
    return client as unknown as MaxioClient;
  }

  #ask<T>(owner: SimProcess, request: Request, effect: () => Promise<T>): Promise<T> {
    const { call, signal } = request;
    const writes = call.method !== 'GET';
    const order = this.#nextFault(writes);
    const fault = order?.fault;
    const clock = this.#clock;
    return new Promise((resolve, reject) => {
      const fail = (
        waitMs: number,
        kind: MaxioErrorKind,
        more: { sent?: boolean; answered?: boolean; aborted?: boolean; status?: number },
      ): void => {
        const error = new MaxioError({ kind, call: call.words, sent: true, answered: false, ...more });
        clock.after(waitMs, owner, () => reject(error));
      };
      const silent = writes ? 'ambiguous' : 'unavailable';
      if (fault === 'unreachable') {
        fail(3, 'unavailable', { sent: false });
        return;
      }
      fail(DEADLINE_MS, silent, {});
      signal?.addEventListener('abort', () => fail(0, silent, { aborted: true }), { once: true });
      if (fault === 'lost') return;
      clock.after(this.#travelMs(), undefined, () => {
        const entry = this.#arrive(request, fault ?? null);
        const lateMs = Math.min(order?.lateMs ?? 0, CUT_OFF_MS);
        const workMs = fault === 'late' || fault === 'hangs' || fault === 'slow' ? lateMs : this.#random.between(1, 60);
        if (fault === 'cut' || fault === 'cut-before') fail(workMs + 1, silent, {});
        clock.after(workMs, undefined, () => {
          const refused = { throttled: 429, unauthorized: 401, failed: 500 }[fault as string];
          if (refused !== undefined || fault === 'hangs' || fault === 'cut-before') {
            this.#leave(entry, refused ?? null);
            if (refused !== undefined)
              fail(this.#travelMs(), fault === 'failed' ? silent : (fault as MaxioErrorKind), {
                answered: true,
                status: refused,
              });
            return;
          }
          this.#effect(entry, writes, effect).then(
            (value) => {
              if (fault === 'failed-after') fail(this.#travelMs(), silent, { answered: true, status: 500 });
              else if (fault === undefined || fault === 'slow') clock.after(this.#travelMs(), owner, () => resolve(value));
            },
            (error: unknown) => {
              if (fault === undefined || fault === 'slow') clock.after(this.#travelMs(), owner, () => reject(error));
              else if (fault === 'failed-after') fail(this.#travelMs(), silent, { answered: true, status: 500 });
            },
          );
        });
      });
    });
  }

  #nextFault(writes: boolean): FaultOrder | undefined {
    const at = this.orders.findIndex(({ writesOnly }) => writes || !writesOnly);
    const order = this.orders[at];
    if (order === undefined) return undefined;
    order.calls -= 1;
    if (order.calls <= 0) this.orders.splice(at, 1);
    return order;
  }

  #travelMs(): number {
    return this.#random.chance(0.05) ? this.#random.between(20, 300) : this.#random.between(1, 10);
  }

  #arrive({ call, path, body }: Request, fault: string | null): LedgerEntry {
    this.#inFlight += 1;
    const entry: LedgerEntry = {
      seq: this.ledger.length + 1,
      arrivedMs: this.#clock.nowMs,
      method: call.method,
      path,
      template: call.template,
      body,
      inFlight: this.#inFlight,
      status: null,
      applied: false,
      appliedMs: null,
      finishedMs: null,
      abandoned: false,
      fault,
    };
    this.ledger.push(entry);
    return entry;
  }

  #leave(entry: LedgerEntry, status: number | null): void {
    this.#inFlight -= 1;
    entry.status = status;
    entry.finishedMs = this.#clock.nowMs;
  }

  async #effect<T>(entry: LedgerEntry, writes: boolean, effect: () => Promise<T>): Promise<T> {
    this.model.nowMs = this.#clock.nowMs;
    try {
      const value = await effect();
      this.#leave(entry, 200);
      if (writes) Object.assign(entry, { applied: true, appliedMs: this.#clock.nowMs });
      return value;
    } catch (error) {
      this.#leave(entry, (error as MaxioError).status ?? 500);
      throw error;
    }
  }
}

function signup({ customer, productHandle, reference }: Parameters<MaxioClient['createSubscription']>[0]): unknown {
  const owner =
    customer.kind === 'new'
      ? { customer_attributes: { ...customer.fields, reference: customer.reference } }
      : { customer_id: Number(customer.id) };
  return { subscription: { product_handle: productHandle, reference, ...owner } };
}
