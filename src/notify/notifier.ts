/**
 * Owns that somebody is told: it looks at a site every few seconds, compares with what each channel has taken, and sends what is due.
 * A chore of the rounds, so one process does it, and a compare-and-set before sending, so that two never do; a process that dies after sending and
 * before noting it is the one case in which a message comes twice. Refuses to act on anything it tells about. Redis being away tells nobody: it is
 * where the stories are kept. That is for the platform's own alarms, as is a silent worker.
 */
import { randomUUID } from 'node:crypto';
import { sitePrefix } from '../directory/keys.ts';
import type { Logger } from '../logger.ts';
import { RedisScript } from '../redis-script.ts';
import type { Chore, Turn } from '../survey/rounds.ts';
import type { Telemetry } from '../telemetry.ts';
import { type Channel, NotDelivered } from './channel.ts';
import { conditionsOf } from './conditions.ts';
import { type Message, messageOf, testMessage } from './message.ts';
import { afterSending, decide, type NoticeState, type Sent } from './notice-state.ts';
import { readSituation, type Situation, type SituationSources } from './situation.ts';
import { type Condition, type Severity, TOPIC_NAMES, type Topic } from './topics.ts';
import type { Wording } from './words.ts';

/** What is true of a site now and who has been told, for the operator page and the API. */
export interface Notice {
  topic: Topic;
  severity: Severity;
  title: string;
  what: string;
  who: string;
  todo: string;
  since: string;
  /** Channels that have taken it; empty when none is configured or it has not lasted long enough. */
  told: string[];
  /** Channels that did not take the last message; they are tried again. */
  failing: string[];
}

export interface TestSent {
  channel: Channel['name'];
  ok: boolean;
  detail: string;
}

export interface NotifierParts {
  sources: SituationSources;
  channels: readonly Channel[];
  wording: Wording;
  telemetry: Pick<Telemetry, 'notices'>;
  logger: Pick<Logger, 'info' | 'warn'>;
  /** Time between two looks; default 15 s. */
  everyMs?: number;
}

const claimScript = new RedisScript(new URL('./claim.lua', import.meta.url));
const EVERY_MS = 15_000;
/** Longer than any channel may take for one message. */
const SENDING_MS = 60_000;

export class Notifier implements Chore {
  readonly name = 'notices';
  readonly needsMaxio = false;
  readonly #parts: NotifierParts;
  readonly #prefix: string;
  readonly #self = randomUUID();
  #lookedMs = Number.NEGATIVE_INFINITY;
  /** Parts that cannot be read, and what was said of it. */
  readonly #said = new Map<string, string>();
  /** When this turn has begun, on the clock of `performance.now()`. */
  #beganMs = 0;

  constructor(parts: NotifierParts) {
    this.#parts = parts;
    this.#prefix = sitePrefix(parts.sources.site.key);
  }

  async turn({ nowMs, signal }: Pick<Turn, 'nowMs' | 'signal'>): Promise<'idle'> {
    const { sources, wording, everyMs = EVERY_MS } = this.#parts;
    // Also when the clock of Redis has stepped back.
    if (Math.abs(nowMs - this.#lookedMs) < everyMs) return 'idle';
    this.#lookedMs = nowMs;
    this.#beganMs = performance.now();
    const situation = await readSituation(sources, nowMs);
    const unread = situation.unread ?? [];
    for (const { part, error } of unread) this.#say(part, error);
    for (const part of this.#said.keys()) {
      if (unread.some((each) => each.part === part)) continue;
      this.#said.delete(part);
      this.#parts.logger.info({ site: situation.site, part }, 'a part of the notices can be read again');
    }
    const silent = new Set(unread.flatMap(({ topics }) => topics));
    const conditions = new Map(conditionsOf(situation, wording).map((condition) => [condition.topic, condition]));
    const stored = await this.#stored();
    for (const topic of TOPIC_NAMES) {
      if (signal.aborted) break;
      // What is not known is neither told nor over.
      if (silent.has(topic)) continue;
      await this.#look(situation, { topic, condition: conditions.get(topic), text: stored[topic] ?? '' });
    }
    return 'idle';
  }

  /** Say once that a part cannot be read, and again when the reason is another. */
  #say(part: string, error: unknown): void {
    const kind = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    if (this.#said.get(part) === kind) return;
    this.#said.set(part, kind);
    const line = { err: error, site: this.#parts.sources.site.key, part };
    this.#parts.logger.warn(line, 'a part of the notices cannot be read; nobody is told about it meanwhile');
  }

  /** List what somebody should know now, whether or not a channel is configured. @throws when Redis does not answer */
  async current(): Promise<Notice[]> {
    const { sources, wording } = this.#parts;
    const nowMs = await sources.runs.nowMs();
    const [situation, stored] = await Promise.all([readSituation(sources, nowMs), this.#stored()]);
    return conditionsOf(situation, wording).map(({ topic, severity, title, what, who, todo, sinceMs }) => {
      const state = read(stored[topic] ?? '');
      return {
        topic,
        severity,
        title,
        what,
        who,
        todo,
        since: new Date(state?.sinceMs ?? sinceMs ?? nowMs).toISOString(),
        told: Object.keys(state?.told ?? {}),
        failing: Object.keys(state?.failed ?? {}),
      };
    });
  }

  /** Send a test message through every configured channel. @param by who has asked for it */
  async test(by: string): Promise<TestSent[]> {
    const { sources, channels } = this.#parts;
    const [nowMs, test] = await Promise.all([sources.runs.nowMs(), sources.test()]);
    const message = testMessage(sources.site.key, test, by, nowMs);
    return await Promise.all(
      channels.map(async (channel) => {
        const failure = await this.#send(channel, message);
        return { channel: channel.name, ok: failure === undefined, detail: failure?.message ?? 'Taken.' };
      }),
    );
  }

  async #stored(): Promise<Partial<Record<string, string>>> {
    return await this.#parts.sources.store.redis.hgetall(`${this.#prefix}notices`);
  }

  async #look(
    situation: Situation,
    { topic, condition, text }: { topic: Topic; condition: Condition | undefined; text: string },
  ): Promise<void> {
    const { nowMs, site, test } = situation;
    const channels = this.#parts.channels.map(({ name }) => name);
    const { state, due } = decide(read(text), { topic, condition, channels, nowMs });
    if (state === undefined || due.length === 0) {
      await this.#replace(topic, text, write(state));
      return;
    }
    // Channels may have been slow in this turn, and a claim must be as long as it says.
    const untilMs = nowMs + Math.ceil(performance.now() - this.#beganMs) + SENDING_MS;
    const claimed = write({ ...state, sending: { by: this.#self, untilMs } });
    if (!(await this.#replace(topic, text, claimed))) return;
    const sent = await Promise.all(
      due.map(async (each): Promise<Sent> => {
        const channel = this.#parts.channels.find(({ name }) => name === each.channel);
        const message = messageOf({ site, test, topic, condition, state, due: each, nowMs });
        return { ...each, taken: channel !== undefined && (await this.#send(channel, message)) === undefined };
      }),
    );
    await this.#replace(topic, claimed, write(afterSending(state, sent, { condition, nowMs })));
  }

  async #send(channel: Channel, message: Message): Promise<NotDelivered | undefined> {
    const { telemetry, logger } = this.#parts;
    const { topic, state: kind, site } = message;
    let failure: NotDelivered | undefined;
    try {
      await channel.send(message);
    } catch (error) {
      failure = error instanceof NotDelivered ? error : new NotDelivered('The message could not be sent.', 'FAILED');
    }
    const result = failure === undefined ? 'taken' : 'failed';
    telemetry.notices.inc({ topic, kind, channel: channel.name, result });
    const line = { site, topic, kind, channel: channel.name };
    if (failure === undefined) logger.info(line, 'somebody was told');
    else logger.warn({ ...line, code: failure.code, detail: failure.message }, 'a message was not taken and is tried again');
    return failure;
  }

  /** @returns false when another process was faster */
  async #replace(topic: Topic, from: string, to: string): Promise<boolean> {
    if (from === to) return true;
    return (await claimScript.run(this.#parts.sources.store.redis, this.#prefix, topic, from, to)) === 1;
  }
}

/** An unreadable state is as good as none: what is true is told again. */
function read(text: string): NoticeState | undefined {
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as NoticeState;
  } catch {
    return undefined;
  }
}

function write(state: NoticeState | undefined): string {
  return state === undefined ? '' : JSON.stringify(state);
}
