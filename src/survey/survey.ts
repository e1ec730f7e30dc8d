/**
 * Owns the survey of a site: all customers and subscriptions, page by page in the background lane, about (N+M)/200 calls, into a new pass of the index.
 * Killed at any point it goes on at the next page, because a page and the progress it means are written in one script.
 * What changed while the pages were read is asked for at the end: by the events feed, whose newest entry is noted before the first page.
 * A site that begins in `observe` and turns out to have no customer without a reference is released here, by itself; any other waits for an operator.
 * Refuses to conclude anything about a person. Source: developers.maxio.com, list customers, list subscriptions, list events.
 */
import type { Redis } from 'ioredis';
import type { Runs } from '../directory/runs.ts';
import type { Mode, SiteModes } from '../directory/site-mode.ts';
import type { SurveyIndex } from '../directory/survey-index.ts';
import type { Logger } from '../logger.ts';
import type { MaxioClient } from '../maxio/client.ts';
import type { MaxioEvent } from '../maxio/types.ts';
import type { Called, Caller } from '../provisioning/caller.ts';
import { RedisScript } from '../redis-script.ts';
import type { Telemetry } from '../telemetry.ts';
import { customerRow, subscriptionRow } from './index-rows.ts';
import type { Chore, Turn } from './rounds.ts';
import {
  decodeNotes,
  type PagedPhase,
  pagesToRepeat,
  progressOf,
  type SurveyNotes,
  type SurveyState,
  UNFINISHED,
} from './survey-state.ts';

const noteScript = new RedisScript(new URL('../directory/survey-note.lua', import.meta.url));

/** What Maxio answers at most; a shorter page is the last one. */
const PAGE_ROWS = 200;
/** Maxio writes events some seconds after the fact; the last pages must be older than that before the events are read. */
const EVENTS_SETTLE_MS = 10_000;
/** A site where rows are deleted all the time is surveyed as well as it can be. */
const REPEATS_MAX = 5;
const CHANGED_SLACK_MS = 5_000;
const KEYS = ['customer_create', 'customer_update', 'customer_delete', 'subscription_deletion'] as const;

export interface SurveyParts {
  siteKey: string;
  redis: Redis;
  prefix: string;
  index: SurveyIndex;
  modes: SiteModes;
  runs: Runs;
  caller: Caller;
  client: MaxioClient;
  logger: Logger;
  telemetry: Telemetry;
  eventsSettleMs?: number;
  /** Asked when a site that nobody has met is read for the first time: how many of our people are there all the same. */
  lostBySurvey: () => Promise<number>;
}

export class Survey implements Chore {
  readonly name = 'survey';
  readonly #parts: SurveyParts;

  constructor(parts: SurveyParts) {
    this.#parts = parts;
  }

  /** Ask for a survey; one that is wanted or running already is that survey. */
  async want({ by, requestId }: { by: string; requestId?: string | undefined }): Promise<void> {
    const notes = await this.#read();
    const { state } = notes;
    if (state === 'wanted' || state === 'running') return;
    if (!(await this.#note({ state: 'wanted', by }, notes))) return await this.want({ by, requestId });
    await this.#tell('survey-wanted', by, requestId);
  }

  async state(): Promise<SurveyState> {
    const { index } = this.#parts;
    const [notes, counts, pass] = await Promise.all([this.#read(), index.counts(), index.current()]);
    const going = notes.state === 'running';
    const iso = (ms: number): string | null => (ms === 0 ? null : new Date(ms).toISOString());
    return {
      state: notes.state,
      phase: going ? notes.phase : null,
      customers: going ? notes.customers : counts.customers,
      subscriptions: going ? notes.subscriptions : counts.subscriptions,
      calls: notes.calls,
      progress: progressOf(notes),
      startedAt: iso(notes.startedAtMs),
      finishedAt: iso(notes.finishedAtMs),
      unreferenced: pass === undefined ? null : counts.unreferenced,
      detail: notes.state === 'done' ? notes.detail : UNFINISHED[notes.state],
    };
  }

  async turn(turn: Turn): Promise<'more' | 'idle'> {
    const notes = await this.#read();
    this.#parts.telemetry.surveyProgress.set({ site: this.#parts.siteKey }, progressOf(notes));
    switch (notes.state) {
      case 'never':
        return await this.#firstOfAll();
      case 'wanted':
        return await this.#begin(notes, turn);
      case 'running':
        return await this.#go(notes, turn);
      case 'done':
        return 'idle';
    }
  }

  /** A site that nobody has met before is surveyed before anything can be written there. */
  async #firstOfAll(): Promise<'more' | 'idle'> {
    const mode = await this.#parts.modes.read();
    if (mode?.mode !== 'observe' || mode.by !== 'start') return 'idle';
    await this.want({ by: 'start' });
    return 'more';
  }

  async #begin(notes: SurveyNotes, turn: Turn): Promise<'more'> {
    const { index, client, logger, siteKey } = this.#parts;
    const { value, atMs } = await this.#call(turn, (signal) => client.listEvents({ newest: true }, signal));
    const eventId = value[0]?.id ?? '';
    const fresh = { customers: 0, subscriptions: 0, calls: 1, page: 1, again: '[]', repeats: 0, eventId, detail: '' };
    const state = { ...fresh, state: 'running', phase: 'customers', startedAtMs: atMs, finishedAtMs: notes.finishedAtMs };
    const pass = await index.begin(state);
    logger.info({ site: siteKey, pass, by: notes.by }, 'survey begins');
    return 'more';
  }

  async #go(notes: SurveyNotes, turn: Turn): Promise<'more' | 'idle'> {
    switch (notes.phase) {
      case 'customers':
      case 'subscriptions':
        await this.#page(notes, notes.phase, notes.page, turn);
        return 'more';
      case 'events':
        return await this.#events(notes, turn);
      case 'release':
        await this.#conclude(notes);
        return 'idle';
    }
  }

  /** Read one page and write it down with what follows from it. */
  async #page(notes: SurveyNotes, kind: PagedPhase, page: number, turn: Turn): Promise<void> {
    const { pass } = notes;
    const again = notes.phase === 'events';
    const after = (rows: number): Record<string, string | number> => {
      const read = { calls: notes.calls + 1, detail: '' };
      if (again) return { ...read, again: JSON.stringify(notes.again.slice(1)) };
      const counted = { ...read, [kind]: notes[kind] + rows };
      if (rows >= PAGE_ROWS) return { ...counted, page: page + 1 };
      return { ...counted, page: 1, phase: kind === 'customers' ? 'subscriptions' : 'events' };
    };
    const { index, client } = this.#parts;
    // Only the first reading tells between which moments a row may have slipped through.
    const from: [string, string, string] = [notes.phase, String(notes.page), JSON.stringify(notes.again)];
    const step = (rows: number) => ({ pass, from, ...(again ? {} : { page: `${kind}:${page}` }), state: after(rows) });
    if (kind === 'customers') {
      const { value, atMs } = await this.#call(turn, (signal) => client.listCustomers(page, undefined, signal));
      await index.putCustomers(value.map(customerRow), atMs, step(value.length));
      return;
    }
    const { value, atMs } = await this.#call(turn, (signal) => client.listAllSubscriptions(page, undefined, signal));
    const rows = value.flatMap((subscription) => subscriptionRow(subscription) ?? []);
    await index.putSubscriptions(rows, atMs, step(value.length));
  }

  /** What happened while the pages were read: rows that are gone, pages that lost a row by that, customers that are new or changed. */
  async #events(notes: SurveyNotes, turn: Turn): Promise<'more' | 'idle'> {
    const [next] = notes.again;
    if (next !== undefined) {
      const [kind = '', page = ''] = next.split(':');
      await this.#page(notes, kind as PagedPhase, Number(page), turn);
      return 'more';
    }
    const readAt = await this.#pageTimes();
    const cutAtMs = [readAt.customers, readAt.subscriptions].map((times) => (times.length > 1 ? (times.at(-1) ?? 0) : 0));
    if (turn.nowMs < Math.max(...cutAtMs) + (this.#parts.eventsSettleMs ?? EVENTS_SETTLE_MS)) return 'idle';

    const { events, calls } = await this.#eventsSince(notes.eventId, turn);
    const timesOf = (key: string): number[] =>
      events.filter((each) => each.key === key).map((each) => Date.parse(each.createdAt));
    for (const { key, customerId } of events) {
      if (key === 'customer_delete' && customerId !== undefined) await this.#parts.index.remove(customerId);
    }
    const again = [
      ...pagesToRepeat(readAt.customers, timesOf('customer_delete'), PAGE_ROWS).map((page) => `customers:${page}`),
      ...pagesToRepeat(readAt.subscriptions, timesOf('subscription_deletion'), PAGE_ROWS).map((page) => `subscriptions:${page}`),
    ];
    const changed = [...timesOf('customer_create'), ...timesOf('customer_update')];
    const more = changed.length === 0 ? 0 : await this.#changed(Math.min(...changed), turn);
    const state = { calls: notes.calls + calls + more, eventId: events.at(-1)?.id ?? notes.eventId };
    if (again.length > 0 && notes.repeats < REPEATS_MAX) {
      await this.#note({ ...state, again: JSON.stringify(again), repeats: notes.repeats + 1 }, notes);
      return 'more';
    }
    const marks = { eventId: state.eventId, sinceMs: notes.startedAtMs, fullAtMs: turn.nowMs };
    await this.#parts.index.finish(notes.pass, { ...state, phase: 'release' }, marks);
    return 'more';
  }

  async #eventsSince(eventId: string, turn: Turn): Promise<{ events: MaxioEvent[]; calls: number }> {
    const events: MaxioEvent[] = [];
    for (let calls = 1; ; calls += 1) {
      const sinceId = events.at(-1)?.id ?? (eventId === '' ? undefined : eventId);
      const asked = { keys: KEYS, ...(sinceId === undefined ? {} : { sinceId }) };
      const { value } = await this.#call(turn, (signal) => this.#parts.client.listEvents(asked, signal));
      events.push(...value.filter(({ id }) => id !== sinceId));
      if (value.length < PAGE_ROWS) return { events, calls };
    }
  }

  /** Read the customers that changed since a moment, new ones included. @returns the calls it took */
  async #changed(sinceMs: number, turn: Turn): Promise<number> {
    const { client, index } = this.#parts;
    const since = new Date(sinceMs - CHANGED_SLACK_MS);
    for (let page = 1; ; page += 1) {
      const { value, atMs } = await this.#call(turn, (signal) => client.listCustomers(page, since, signal));
      await index.putCustomers(value.map(customerRow), atMs);
      if (value.length < PAGE_ROWS) return page;
    }
  }

  /** The index is complete: release a site that needs no decision, and say what the others need. */
  async #conclude(notes: SurveyNotes): Promise<void> {
    const { index, modes, runs, logger, siteKey, telemetry } = this.#parts;
    const { unreferenced, customers, subscriptions } = await index.counts();
    const met = await modes.read();
    const orphans = met?.mode === 'observe' && met.by === 'start' ? await this.#parts.lostBySurvey() : 0;
    const was = orphans === 0 ? met : await modes.read();
    const mayRelease = unreferenced === 0 && was?.mode === 'observe' && was.by === 'start';
    const requestId = `survey-${notes.pass}`;
    let mode: Mode | undefined = was?.mode;
    if (mayRelease) {
      const why = `the survey found ${customers} customers, each with a reference`;
      const order = { by: 'survey', why, requestId, onlyFrom: { mode: 'observe', by: 'start' } } as const;
      mode = (await modes.set('enforce', order)).mode;
    }
    const detail = orphans > 0 ? lostDetail(orphans) : detailOf(unreferenced, mode, was?.releasedAtMs !== undefined);
    const done = { state: 'done', finishedAtMs: await runs.nowMs(), customers, subscriptions, detail };
    if (!(await this.#note(done, notes))) return;
    await this.#tell('survey-done', notes.by, requestId, { customers, subscriptions, unreferenced, calls: notes.calls });
    telemetry.surveyProgress.set({ site: siteKey }, 1);
    logger.info({ site: siteKey, customers, subscriptions, unreferenced, calls: notes.calls, mode }, 'survey done');
  }

  async #call<T>(turn: Turn, send: (signal: AbortSignal | undefined) => Promise<T>): Promise<Called<T>> {
    const { caller, prefix } = this.#parts;
    const fences = [{ key: `${prefix}mode`, field: 'mode', equals: turn.mode }];
    return await caller.call({ operation: 'survey', lane: 'background', fences, signal: turn.signal }, send);
  }

  async #pageTimes(): Promise<Record<PagedPhase, number[]>> {
    const all = await this.#parts.redis.hgetall(`${this.#parts.prefix}surveyPages`);
    const times = (kind: PagedPhase): number[] => {
      const found: number[] = [];
      for (let page = 1; ; page += 1) {
        const at = all[`${kind}:${page}`];
        if (at === undefined) return found;
        found.push(Number(at));
      }
    };
    return { customers: times('customers'), subscriptions: times('subscriptions') };
  }

  async #read(): Promise<SurveyNotes> {
    return decodeNotes(await this.#parts.redis.hgetall(`${this.#parts.prefix}surveyState`));
  }

  /** @returns false when the survey is elsewhere by now than where `from` says: another process was faster */
  async #note(fields: Record<string, string | number>, { state, phase, pass }: SurveyNotes): Promise<boolean> {
    const { redis, prefix } = this.#parts;
    return (await noteScript.run(redis, prefix, state, phase, pass, ...Object.entries(fields).flat())) === 1;
  }

  async #tell(what: string, actor: string, requestId: string | undefined, more: Record<string, number> = {}): Promise<void> {
    const entry = { kind: 'operator', what, actor, ...(requestId === undefined ? {} : { requestId }), ...more } as const;
    await this.#parts.runs.tell('', 0, entry);
  }
}

function lostDetail(orphans: number): string {
  const some = orphans === 1 ? '1 customer carries' : `${orphans} customers carry`;
  return `${some} the mark of this service, and the directory does not know them: its data was lost. Next: maxio-scim recovery.`;
}

function detailOf(unreferenced: number, mode: Mode | undefined, released: boolean): string {
  const some = unreferenced === 1 ? '1 customer has no reference.' : `${unreferenced} customers have no reference.`;
  if (mode === 'enforce' || released) {
    if (unreferenced === 0) return 'Every customer has a reference.';
    return `${some} Nobody is created who shares an e-mail address with such a customer; those people are parked.`;
  }
  if (unreferenced === 0) return 'Every customer has a reference. Next: maxio-scim plan, then maxio-scim release.';
  return (
    `${some} Next: let the identity provider send everybody, run maxio-scim link plan, decide, ` +
    'run maxio-scim link apply, then maxio-scim release.'
  );
}
