/**
 * Owns the reading of a site from which is decided what people must be told: what is true in Redis now, without a call to Maxio.
 * Refuses to judge it (conditions.ts). The parts above the directory are handed in as questions, so that a site without them is read as well.
 */
import type { SiteConfig } from '../config.ts';
import type { Backlog } from '../directory/backlog.ts';
import type { ClientStanding } from '../directory/client-expiry.ts';
import type { Strangers } from '../directory/gate.ts';
import type { GuardState, Holds } from '../directory/holds.ts';
import type { Runs } from '../directory/runs.ts';
import type { SiteMode, SiteModes } from '../directory/site-mode.ts';
import type { Store } from '../directory/store.ts';
import type { TokenStanding } from '../directory/token-expiry.ts';
import type { Recovery } from '../directory/witness.ts';
import type { Budget, BudgetPeek } from '../maxio/budget.ts';
import { Reading, type Unread } from './reading.ts';

export interface Person {
  id: string;
  userName: string;
}

/** What first contact with Maxio has come to, as far as this process knows. */
export interface Contact {
  kind: 'confirmed' | 'unknown' | 'foreign';
  /** How often in a row Maxio has refused the key of this process. */
  refusals: number;
}

export interface Situation {
  site: string;
  nowMs: number;
  test: boolean | undefined;
  mode: SiteMode | undefined;
  contact: Contact;
  budget: BudgetPeek;
  pending: number;
  parked: { total: number; leavers: number; reasons: [reason: string, count: number][]; oldestAtMs: number; some: Person[] };
  /** Leavers who are still billed for longer than promised, without a decision that explains it. */
  late: { total: number; sinceMs: number; some: Person[] };
  held: GuardState & { some: Person[] };
  guard: SiteConfig['guard'];
  /** The end of the SCIM token that ends first, and its id if it is not that of the configuration. */
  tokenExpiresMs?: number | undefined;
  tokenId?: string | undefined;
  /** What an OAuth client signs in with that ends first. */
  client?: ClientStanding['first'] | undefined;
  /** Right tokens that came from a network which is not allowed, within the last day. */
  strangers?: Strangers | undefined;
  /** A finished survey of a site that nobody has released yet. */
  survey?: { finishedAtMs: number; unreferenced: number } | undefined;
  /** A configuration that waits for approval. */
  candidate?: { atMs: number; author: string; people: number } | undefined;
  /** What Maxio does not sell of what the wanted rules for groups name. */
  groupPlans?: { problems: readonly string[]; sinceMs?: number | undefined } | undefined;
  /** Differences of the last report that nobody has decided about. */
  drift?: { newestMs: number; kinds: Record<string, number> } | undefined;
  redis?: { durable: boolean; findings: readonly string[]; memoryRatio: number } | undefined;
  /** The data of the site was lost or set back. */
  recovery?: { word: Recovery; sinceMs: number; unclaimed: number } | undefined;
  /** What could not be read. */
  unread?: readonly Unread[] | undefined;
}

export interface SituationSources {
  site: Pick<SiteConfig, 'key' | 'graceSeconds' | 'guard'>;
  store: Store;
  runs: Pick<Runs, 'backlog' | 'parked' | 'nowMs'>;
  budget: Pick<Budget, 'peek'>;
  modes: Pick<SiteModes, 'read'>;
  holds: Pick<Holds, 'state' | 'list'>;
  contact(): Contact;
  test(): Promise<boolean | undefined>;
  token(): Promise<TokenStanding['first']>;
  client?(): Promise<ClientStanding['first']>;
  strangers?(nowMs: number): Promise<Strangers | undefined>;
  survey?(): Promise<Situation['survey']>;
  candidate?(): Promise<Situation['candidate']>;
  groupPlans?(): Promise<Situation['groupPlans']>;
  drift?(): Promise<Situation['drift']>;
  /** Given to one site only: Redis is the same for all. */
  redis?(): Situation['redis'];
}

/** The promise for a leaver. */
const LATE_MS = 300_000;
/** Reasons are counted over so many; that many parked at once have one cause anyway. */
const PARKED_READ_MAX = 1_000;
const LATE_READ_MAX = 200;
const SHOWN_MAX = 5;
/** Reasons of a wait that has been decided, not suffered. */
const DECIDED = new Set(['grace', 'calm']);

const FREE: BudgetPeek = {
  limit: Number.POSITIVE_INFINITY,
  used: 0,
  windowSeconds: 0,
  inFlight: 0,
  blockedForMs: 0,
  blockedStreak: 0,
};
const NOBODY_HELD: GuardState = {
  held: 0,
  exempt: 0,
  heldCents: 0,
  activePeople: 0,
  activeCents: 0,
  lossesHour: 0,
  lossesDay: 0,
  limitHour: 0,
  limitDay: 0,
};

/** Read what is true of a site now; `unread` names what could not be read, and the rest is as if nothing were wrong with that. @throws when Redis does not answer */
export async function readSituation(sources: SituationSources, nowMs: number): Promise<Situation> {
  const { site, runs, budget, modes, holds } = sources;
  const reading = new Reading();
  const none = {
    parked: { total: 0, leavers: 0, reasons: [], oldestAtMs: nowMs, some: [] },
    late: { total: 0, sinceMs: nowMs, some: [] },
  };
  const [peek, backlog, mode, test, held, token, client] = await Promise.all([
    reading.part('budget', ['budget', 'key-refused', 'failing'], () => budget.peek(), FREE),
    reading.part<Pick<Backlog, 'parked' | 'pending'>>('backlog', ['parked', 'failing'], () => runs.backlog(), {
      parked: 0,
      pending: 0,
    }),
    reading.part('mode', ['leaver-waiting', 'survey-done'], () => modes.read(), undefined),
    reading.part('test', [], () => sources.test(), undefined),
    reading.part('held', ['held'], () => holds.state(), NOBODY_HELD),
    reading.part('token', ['token-expiry'], () => sources.token(), undefined),
    reading.part('client', ['client-expiry'], () => sources.client?.(), undefined),
  ]);
  const [parked, late, heldPeople, survey, candidate, groupPlans, drift, strangers, redis, contact, recovery] = await Promise.all(
    [
      reading.part('parked', ['parked'], () => readParked(sources, reading, { total: backlog.parked, nowMs }), none.parked),
      reading.part('late', ['leaver-waiting'], () => readLate(sources, reading, nowMs), none.late),
      reading.part('held-people', [], () => (held.held === 0 ? [] : readHeld(sources, reading)), []),
      reading.part('survey', ['survey-done'], () => sources.survey?.(), undefined),
      reading.part('configuration', ['configuration'], () => sources.candidate?.(), undefined),
      reading.part('group-plans', ['group-plans'], () => sources.groupPlans?.(), undefined),
      reading.part('drift', ['drift'], () => sources.drift?.(), undefined),
      reading.part('strangers', ['other-network'], () => sources.strangers?.(nowMs), undefined),
      reading.part('redis', ['redis'], () => sources.redis?.(), undefined),
      reading.part('contact', ['key-refused', 'site-blocked', 'failing'], () => sources.contact(), {
        kind: 'confirmed',
        refusals: 0,
      } as const),
      reading.part('recovery', ['recovery'], () => readRecovery(sources), undefined),
    ],
  );
  return {
    site: site.key,
    nowMs,
    test,
    mode,
    contact,
    budget: peek,
    pending: backlog.pending,
    parked,
    late,
    held: { ...held, some: heldPeople },
    guard: site.guard,
    tokenExpiresMs: token?.expiresMs,
    tokenId: token?.id,
    strangers,
    client,
    survey,
    candidate,
    groupPlans,
    drift,
    redis,
    recovery,
    unread: reading.unread,
  };
}

async function readHeld(sources: SituationSources, reading: Reading): Promise<Person[]> {
  return await readPeople(sources, reading, await sources.holds.list(0, SHOWN_MAX));
}

async function readRecovery({ store }: SituationSources): Promise<Situation['recovery']> {
  const { recovery, epochAtMs } = store.witness.standing;
  if (recovery === undefined) return undefined;
  return { word: recovery, sinceMs: epochAtMs, unclaimed: await store.redis.zcard(`${store.prefix}unclaimed`) };
}

interface Waiting {
  id: string;
  run: { reason?: string; outcome?: string; atMs?: number; nextAttemptAtMs?: number };
  leaver: boolean;
}

async function readParked(
  sources: SituationSources,
  reading: Reading,
  { total, nowMs }: { total: number; nowMs: number },
): Promise<Situation['parked']> {
  const none = { total: 0, leavers: 0, reasons: [], oldestAtMs: nowMs, some: [] };
  if (total === 0) return none;
  const rows = await readWaiting(sources, await sources.runs.parked(0, PARKED_READ_MAX));
  // Changed or retried since the list was read.
  const parked = rows.filter(({ run }) => run.outcome === 'parked');
  if (parked.length === 0) return none;
  const reasons = new Map<string, number>();
  for (const { run } of parked) reasons.set(run.reason ?? 'unknown', (reasons.get(run.reason ?? 'unknown') ?? 0) + 1);
  const leaversFirst = parked.toSorted((a, b) => Number(b.leaver) - Number(a.leaver)).slice(0, SHOWN_MAX);
  const shown = leaversFirst.map(({ id }) => id);
  return {
    total: Math.max(total, parked.length),
    leavers: parked.filter(({ leaver }) => leaver).length,
    reasons: [...reasons].sort((a, b) => b[1] - a[1]),
    oldestAtMs: Math.min(nowMs, ...parked.map(({ run }) => run.atMs ?? nowMs)),
    some: await readPeople(sources, reading, shown),
  };
}

async function readLate(sources: SituationSources, reading: Reading, nowMs: number): Promise<Situation['late']> {
  const { store, site } = sources;
  const until = nowMs - LATE_MS - site.graceSeconds * 1_000;
  const key = `${store.prefix}urgent`;
  const [ids, total] = await Promise.all([
    store.redis.zrangebyscore(key, '-inf', until, 'WITHSCORES', 'LIMIT', 0, LATE_READ_MAX),
    store.redis.zcount(key, '-inf', until),
  ]);
  const scores = new Map<string, number>();
  for (let at = 0; at + 1 < ids.length; at += 2) scores.set(String(ids[at]), Number(ids[at + 1]));
  const rows = await readWaiting(sources, [...scores.keys()]);
  const late = rows.filter(({ run }) => !(DECIDED.has(run.reason ?? '') && (run.nextAttemptAtMs ?? 0) > nowMs));
  if (late.length === 0) return { total: 0, sinceMs: nowMs, some: [] };
  return {
    total: total - (rows.length - late.length),
    sinceMs: Math.min(...late.map(({ id }) => scores.get(id) ?? nowMs)),
    some: await readPeople(
      sources,
      reading,
      late.slice(0, SHOWN_MAX).map(({ id }) => id),
    ),
  };
}

/** Read how the work of some people stands, without reading who they are. */
async function readWaiting({ store }: SituationSources, ids: string[]): Promise<Waiting[]> {
  if (ids.length === 0) return [];
  const pipeline = store.redis.pipeline();
  for (const id of ids) pipeline.hmget(store.userKey(id), 'run', 'active', 'deleted');
  const replies = (await pipeline.exec()) ?? [];
  return replies.map(([error, reply], at) => {
    if (error) throw error;
    const [run, active, deleted] = reply as (string | null)[];
    return {
      id: ids[at] ?? '',
      run: run ? (JSON.parse(run) as Waiting['run']) : {},
      leaver: active !== '1' || deleted === '1',
    };
  });
}

/** Whoever cannot be read is not named, and counts all the same. */
async function readPeople({ store }: SituationSources, reading: Reading, ids: string[]): Promise<Person[]> {
  const records = await reading.part('names', [], () => store.readAll(ids), []);
  return records.map(({ id, attributes }) => ({ id, userName: attributes.userName }));
}
