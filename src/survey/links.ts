/**
 * Owns the links operators approve: which reference an existing customer gets, so that its person adopts it instead of being created beside it.
 * A decision is stored at once, audited with who, and carried out by this chore: one call each, resumable, repeated until Maxio has answered, because
 * setting the same reference twice changes nothing. In lane `normal`: operators wait for it, it is bounded, and it must not stop at 80 % of the budget
 * where the people who wait for it would go on; leavers still go first.
 * Refuses to propose (link-plan.ts) and to touch any other field. Works in `observe`, too: it is a person's explicit order.
 */
import type { Redis } from 'ioredis';
import { encodeReference } from '../directory/identity.ts';
import type { Runs } from '../directory/runs.ts';
import type { Store } from '../directory/store.ts';
import type { SurveyIndex } from '../directory/survey-index.ts';
import type { Note } from '../maxio/budget.ts';
import { isReferenceTaken } from '../maxio/classify.ts';
import type { MaxioClient } from '../maxio/client.ts';
import { MaxioError } from '../maxio/error.ts';
import { type Caller, NotMade } from '../provisioning/caller.ts';
import { RedisScript } from '../redis-script.ts';
import { customerRow } from './index-rows.ts';
import type { LinkPlan, LinkRow, StoredLink } from './link-plan.ts';
import type { Chore, Turn } from './rounds.ts';

const acceptScript = new RedisScript(new URL('../directory/link-accept.lua', import.meta.url));
const settleScript = new RedisScript(new URL('../directory/link-settle.lua', import.meta.url));

export interface LinkDecision {
  customerId: string;
  decision: 'link' | 'separate';
  reference: string;
}

export interface Accepted {
  accepted: number;
  already: number;
  refused: { customerId: string; detail: string }[];
}

export interface LinkProgress {
  wanted: number;
  applied: number;
  failed: number;
  left: number;
  failures: { customerId: string; reference: string; detail: string }[];
}

export interface LinksParts {
  plan: LinkPlan;
  redis: Redis;
  store: Store;
  runs: Runs;
  index: SurveyIndex;
  caller: Caller;
  client: MaxioClient;
}

/** Calls at once; Maxio takes four, and one stays for leavers. */
const AT_ONCE = 3;
/** How soon a link without an answer is sent again. */
const AGAIN_MS = 30_000;
/** Unless something more was decided for them meanwhile. */
const FORGET = `if redis.call('zscore', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('zrem', KEYS[1], ARGV[1]) end
return 0`;
/** How soon it is looked again whether somebody who may go on does. */
const LOOK_AGAIN_MS = 5_000;
const FAILURES_SHOWN = 100;
/** Rows a script decides at a time: bounded, so that it keeps nobody waiting. */
const BATCH = 200;
const REFERENCE = /^[A-Za-z0-9._@~-]{1,255}$/;

const REFUSED: Record<string, string> = {
  unknown: 'The last survey knows no such customer. Check the id; if the customer is new, run maxio-scim survey first.',
  taken:
    'This reference belongs to another customer, or is approved for one. One person is one customer: merge the two at Maxio, or correct the row.',
  owned: 'This customer already belongs to somebody else in the directory. Correct the row.',
  sent: 'Another decision about this customer is being carried out. Try again in a few minutes.',
  applied:
    'Another link of this customer is already carried out. To undo it, change the reference of the customer at Maxio and run maxio-scim survey.',
};

export class Links implements Chore {
  readonly name = 'links';
  readonly #parts: LinksParts;

  constructor(parts: LinksParts) {
    this.#parts = parts;
  }

  /** Everyone to decide about. */
  async plan(): Promise<LinkRow[]> {
    return await this.#parts.plan.rows();
  }

  /** Store decisions; the same decision again is `already`. */
  async accept(rows: LinkDecision[], order: { by: string; requestId: string }): Promise<Accepted> {
    const result: Accepted = { accepted: 0, already: 0, refused: [] };
    const sound: LinkDecision[] = [];
    const inBoth = doubled(rows);
    for (const row of rows) {
      const detail = faultOf(row) ?? inBoth.get(row);
      if (detail === undefined) sound.push(row);
      else result.refused.push({ customerId: row.customerId, detail });
    }
    const { store } = this.#parts;
    for (let at = 0; at < sound.length; at += BATCH) {
      const batch = sound.slice(at, at + BATCH);
      const answer = await store.guard(() =>
        acceptScript.run(store.redis, store.prefix, JSON.stringify({ ...order, rows: batch })),
      );
      for (const [i, row] of batch.entries()) {
        const word = (answer as string[])[i] ?? '';
        if (word === 'accepted' || word === 'already') result[word] += 1;
        else result.refused.push({ customerId: row.customerId, detail: REFUSED[word] ?? word });
      }
    }
    return result;
  }

  async progress(): Promise<LinkProgress> {
    const { redis, store } = this.#parts;
    const [wanted, left, failed, ids] = await store.guard(() =>
      Promise.all([
        redis.hlen(`${store.prefix}links`),
        redis.zcard(`${store.prefix}linkQueue`),
        redis.zcard(`${store.prefix}linkFailures`),
        redis.zrange(`${store.prefix}linkFailures`, '0', String(FAILURES_SHOWN - 1)),
      ]),
    );
    const texts = ids.length === 0 ? [] : await redis.hmget(`${store.prefix}links`, ...ids);
    const failures = ids.flatMap((customerId, i) => {
      const text = texts[i];
      if (text === null || text === undefined) return [];
      const { reference, detail = '' } = JSON.parse(text) as StoredLink;
      return [{ customerId, reference, detail }];
    });
    return { wanted, applied: Math.max(0, wanted - left - failed), failed, left, failures };
  }

  async turn(turn: Turn): Promise<'more' | 'idle'> {
    const { redis, store } = this.#parts;
    await this.#letGoOn(turn);
    const queue = `${store.prefix}linkQueue`;
    const ids = await redis.zrangebyscore(queue, '-inf', String(turn.nowMs), 'LIMIT', 0, AT_ONCE);
    if (ids.length === 0) return 'idle';
    const ends = await Promise.allSettled(ids.map((id) => this.#apply(id, turn)));
    const failed = ends.flatMap((end, i) =>
      end.status === 'rejected' ? [{ id: ids[i] ?? '', reason: end.reason as unknown }] : [],
    );
    // One that is never answered must not keep the others waiting.
    for (const { id, reason } of failed)
      if (!(reason instanceof NotMade)) await redis.zadd(queue, 'XX', turn.nowMs + AGAIN_MS, id);
    if (failed[0] !== undefined) throw failed[0].reason;
    return 'more';
  }

  async #apply(id: string, turn: Turn): Promise<void> {
    const { redis, store, index, caller, client } = this.#parts;
    const text = await redis.hget(`${store.prefix}links`, id);
    if (text === null) return;
    const link = JSON.parse(text) as StoredLink;
    const key = `${store.prefix}links`;
    const fences = [
      { key: `${store.prefix}mode`, field: 'mode', equals: turn.mode },
      { key, field: id, equals: text },
    ];
    const sent = JSON.stringify({ ...link, sentAtMs: turn.nowMs });
    const notes: Note[] = [{ key, field: id, value: sent }];
    try {
      const options = { operation: 'link', lane: 'normal', fences, notes, signal: turn.signal } as const;
      const { value, atMs } = await caller.call(options, (signal) => client.setReference(id, link.reference, signal));
      await index.putCustomers([customerRow(value)], atMs);
      await this.#settle(id, sent, 'applied', '');
    } catch (error) {
      const detail = error instanceof MaxioError ? refusalOf(error) : undefined;
      if (detail === undefined) throw error;
      if (error instanceof MaxioError && error.kind === 'missing') await index.remove(id);
      await this.#settle(id, sent, 'failed', detail);
    }
  }

  /** Write down the end of a link, and that the person who waited for it may go on. */
  async #settle(id: string, sent: string, state: 'applied' | 'failed', detail: string): Promise<void> {
    const { store } = this.#parts;
    await settleScript.run(store.redis, store.prefix, id, sent, state, detail);
  }

  /**
   * Whoever is parked for a decision that was made is tried again, once: the sweep rings for them within seconds, and a run that begins then knows of it, so
   * what it parks them for is something else. A run that is at work may still park them by what it read before, so until it is over they stay on the list.
   */
  async #letGoOn({ nowMs, mode }: Turn): Promise<void> {
    const { store, runs } = this.#parts;
    const waiters = `${store.prefix}linkWaiters`;
    // Elsewhere nobody runs, and nobody can be parked.
    if (mode !== 'enforce') return;
    const due = await store.redis.zrangebyscore(waiters, '-inf', String(nowMs), 'WITHSCORES', 'LIMIT', 0, BATCH);
    for (let at = 0; at + 1 < due.length; at += 2) {
      const [id = '', since = ''] = due.slice(at, at + 2);
      const score = await store.redis.zscore(`${store.prefix}dirty`, id);
      const record = score === null ? await store.read(id) : undefined;
      const waits = record?.run?.outcome === 'parked' && record.run.reason === 'link-approval';
      const tried = waits && (await runs.retry(id, { kind: 'run', what: 'retry', actor: 'link' }));
      if (tried || (score === null && !waits)) await store.redis.eval(FORGET, 1, waiters, id, since);
      else await store.redis.zadd(waiters, 'XX', nowMs + LOOK_AGAIN_MS, id);
    }
  }
}

/** What Maxio's refusal means for this link; `undefined` when it is not about the link, or not known to be a refusal. */
function refusalOf(error: MaxioError): string | undefined {
  if (error.kind === 'missing') return 'Maxio no longer knows this customer. Nothing is left to link.';
  if (error.kind !== 'rejected') return undefined;
  const said: unknown = error;
  if (isReferenceTaken(said)) {
    return 'Maxio says another customer has this reference already. Find it by the reference, merge or rename one of the two, then approve again.';
  }
  return `Maxio refused to set the reference (HTTP ${error.status ?? 'unknown'}): ${error.messages.join('; ') || 'no reason given'}. Correct the customer at Maxio, then approve again.`;
}

function faultOf({ reference }: LinkDecision): string | undefined {
  if (REFERENCE.test(reference)) return undefined;
  if (reference === '') return 'The reference is empty: name the person by the reference that the link plan proposes.';
  return `This is not a reference. If it is the id of a person at the identity provider, write ${encodeReference(reference)}.`;
}

/** Rows that contradict another row of the same request: refused both, since nobody knows which one was meant. */
function doubled(rows: LinkDecision[]): Map<LinkDecision, string> {
  const links = rows.filter(({ decision }) => decision === 'link');
  const byReference = Map.groupBy(links, ({ reference }) => reference);
  const byCustomer = Map.groupBy(links, ({ customerId }) => customerId);
  const found = new Map<LinkDecision, string>();
  for (const row of links) {
    const customers = new Set(byReference.get(row.reference)?.map(({ customerId }) => customerId));
    const references = new Set(byCustomer.get(row.customerId)?.map(({ reference }) => reference));
    if (customers.size > 1)
      found.set(row, 'Several rows link different customers to this reference. Keep one; decide separate for the others.');
    else if (references.size > 1) found.set(row, 'Several rows link this customer to different references. Keep one.');
  }
  return found;
}
