/**
 * Owns the list of people who wait for an operator, and the operator's "try again". Refuses to judge why they wait: the run has said so in words.
 * A retry is audited in the script that makes it, and then rung; a lost bell costs seconds, because the sweep rings for everyone who is dirty.
 */
import { intentOf, type RunState, type UserRecord } from '../directory/record.ts';
import { estimateCalls, timeFor } from './estimate.ts';
import type { OpsSite } from './site-view.ts';
import { span } from './words.ts';

export interface ParkedPerson {
  site: string;
  id: string;
  userName: string;
  reason: string;
  detail: string;
  /** True when this person should have stopped being billed: look at these first. */
  leaver: boolean;
  parkedAt: string;
  parkedSeconds: number;
}

export interface ParkedReason {
  reason: string;
  count: number;
  oldestSeconds: number;
}

/** People beyond this are counted under one label in metrics; so many parked at once have one cause anyway. */
const REASONS_READ_MAX = 1_000;
const RETRIES_MAX = 1_000;
const BATCH = 200;

/** Lists parked people of one site, longest parked first. */
export async function listParked(site: OpsSite, most: number): Promise<ParkedPerson[]> {
  if (most <= 0) return [];
  const [ids, nowMs] = await site.store.guard(() => Promise.all([site.runs.parked(0, most), site.runs.nowMs()]));
  const people: ParkedPerson[] = [];
  for (const record of await site.store.readAll(ids)) {
    const { run } = record;
    // Changed or retried since the list was read.
    if (run?.outcome !== 'parked') continue;
    people.push({
      site: site.key,
      id: record.id,
      userName: record.attributes.userName,
      reason: run.reason ?? 'unknown',
      detail: run.detail ?? '',
      leaver: intentOf(record) === 'inactive',
      parkedAt: new Date(run.atMs).toISOString(),
      parkedSeconds: Math.max(0, Math.floor((nowMs - run.atMs) / 1_000)),
    });
  }
  return people;
}

/** Counts parked people by reason, without reading who they are. */
export async function parkedReasons(site: OpsSite): Promise<ParkedReason[]> {
  const [ids, nowMs, { parked }] = await Promise.all([
    site.runs.parked(0, REASONS_READ_MAX),
    site.runs.nowMs(),
    site.runs.backlog(),
  ]);
  const reasons = new Map<string, ParkedReason>();
  for (const run of await parkedRunsOf(site, ids)) {
    const reason = run.reason ?? 'unknown';
    const known = reasons.get(reason) ?? { reason, count: 0, oldestSeconds: 0 };
    const seconds = Math.max(0, (nowMs - run.atMs) / 1_000);
    reasons.set(reason, { reason, count: known.count + 1, oldestSeconds: Math.max(known.oldestSeconds, seconds) });
  }
  const more = parked - ids.length;
  return [...reasons.values(), ...(more > 0 ? [{ reason: 'not-counted', count: more, oldestSeconds: 0 }] : [])];
}

/** Reads how the work of some people stands; who is not parked is left out. */
async function parkedRunsOf(site: OpsSite, ids: string[]): Promise<RunState[]> {
  const pipeline = site.store.redis.pipeline();
  for (const id of ids) pipeline.hget(site.store.userKey(id), 'run');
  const replies = (await pipeline.exec()) ?? [];
  const runs = replies.flatMap(([, text]) => (typeof text === 'string' ? [JSON.parse(text) as RunState] : []));
  return runs.filter(({ outcome }) => outcome === 'parked');
}

export interface RetryPreview {
  preview: true;
  total: number;
  reasons: { reason: string; count: number }[];
  /** Asked for, but not parked at any of the sites. */
  notParked: string[];
  estimatedCalls: number;
  estimatedSeconds: number;
  detail: string;
}

/** Says how many a retry would reach, why they are parked, and what it would cost. Changes nothing and calls nobody. */
export async function previewRetry(sites: readonly OpsSite[], ids: string[] | undefined): Promise<RetryPreview> {
  const counts = new Map<string, number>();
  const found = new Set<string>();
  let [calls, seconds] = [0, 0];
  for (const site of sites) {
    const parked = await parkedAmong(site, ids);
    for (const id of parked) found.add(id);
    for (let at = 0; at < parked.length; at += REASONS_READ_MAX) {
      const runs = await site.store.guard(() => parkedRunsOf(site, parked.slice(at, at + REASONS_READ_MAX)));
      for (const { reason = 'unknown' } of runs) counts.set(reason, (counts.get(reason) ?? 0) + 1);
    }
    const needed = await estimateCalls(site, parked);
    calls += needed;
    // Each site has a budget of its own, and they are spent side by side.
    seconds = Math.max(seconds, timeFor(needed, await site.store.guard(() => site.budget.peek())));
  }
  const reasons = [...counts].map(([reason, count]) => ({ reason, count })).sort((a, b) => b.count - a.count);
  return {
    preview: true,
    total: found.size,
    reasons,
    notParked: (ids ?? []).filter((id) => !found.has(id)),
    estimatedCalls: calls,
    estimatedSeconds: seconds,
    detail: `${found.size} people would be tried again with about ${calls} calls, which takes about ${span(seconds)}. Whoever Maxio refuses for the same reason is parked again.`,
  };
}

async function parkedAmong(site: OpsSite, ids: string[] | undefined): Promise<string[]> {
  const { redis, prefix } = site.store;
  return await site.store.guard(async () => {
    if (ids === undefined) return await redis.zrange(`${prefix}parked`, '0', '-1');
    const scores = await redis.zmscore(`${prefix}parked`, ...ids);
    return ids.filter((_, at) => scores[at] !== null);
  });
}

export interface RetryWish {
  /** All parked people of the sites when absent. */
  ids?: string[] | undefined;
  /** Name of the operator, for the audit trail. */
  actor: string;
  requestId: string;
}

export interface Retried {
  retried: { site: string; id: string }[];
  /** Asked for, but not parked at any of the sites. */
  notParked: string[];
  /** Parked people that are left; ask again for them, a thousand at a time. */
  left: number;
}

/** Makes parked people dirty again and rings for them. */
export async function retryParked(sites: readonly OpsSite[], wish: RetryWish): Promise<Retried> {
  const retried: Retried['retried'] = [];
  let left = 0;
  for (const site of sites) {
    const ids = wish.ids ?? (await parkedIds(site, RETRIES_MAX - retried.length));
    for (let at = 0; at < ids.length; at += BATCH) {
      const done = await retryBatch(site, ids.slice(at, at + BATCH), wish);
      retried.push(...done.map((id) => ({ site: site.key, id })));
    }
    left += (await site.store.guard(() => site.runs.backlog())).parked;
  }
  const found = new Set(retried.map(({ id }) => id));
  return { retried, notParked: (wish.ids ?? []).filter((id) => !found.has(id)), left };
}

/** Zero must not reach Redis, where a range up to -1 means everyone. */
async function parkedIds(site: OpsSite, most: number): Promise<string[]> {
  return most <= 0 ? [] : await site.store.guard(() => site.runs.parked(0, most));
}

async function retryBatch(site: OpsSite, ids: string[], wish: RetryWish): Promise<string[]> {
  const records = await site.store.readAll(ids);
  const done = await Promise.all(records.map((record) => retryOne(site, record, wish)));
  return done.filter((id) => id !== undefined);
}

async function retryOne(site: OpsSite, record: UserRecord, wish: RetryWish): Promise<string | undefined> {
  const { actor, requestId } = wish;
  const { id } = record;
  const audit = { kind: 'operator', what: 'retry', actor, requestId } as const;
  if (!(await site.store.guard(() => site.runs.retry(id, audit)))) return undefined;
  await site.ring(id, intentOf(record) === 'inactive' ? 'urgent' : 'normal').catch(() => undefined);
  return id;
}
