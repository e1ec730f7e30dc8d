/**
 * Owns an identity provider that does not pause for a restart: lanes of one request after the other over connections that are kept alive, behind a load
 * balancer that asks every replica whether it is ready. Remembers what was acknowledged. Only reads, and what was never sent, are sent again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Dispatcher, Pool } from 'undici';
import { oktaUser, patch, person } from './people.ts';
import { SCIM_TOKEN } from './service.ts';
import type { ServiceProcess } from './service-process.ts';

const LANES = 5;
const PAUSE_MS = 20;
/** Beyond them everybody only gets new titles, which Maxio never hears of: a slow machine must not use up the budget. */
const PEOPLE_MAX = 300;
const POLL_MS = 50;
/** The connection was never made, so the request was never sent. */
const UNSENT = new Set(['ECONNREFUSED', 'UND_ERR_CONNECT_TIMEOUT']);

export interface Acknowledged {
  id: string;
  familyName: string;
  active: boolean;
  title?: string;
}

export class SteadyLoad {
  /** What the last acknowledged write about each person has said, by number. */
  readonly acknowledged = new Map<number, Acknowledged>();
  /** Writes without an answer: nobody can know what became of them. */
  readonly unanswered: string[] = [];
  /** Answers that are none of those hoped for. */
  readonly strange: string[] = [];
  /** Answers that ended their connection, by replica. */
  readonly goodbyes = new Map<string, number>();
  answers = 0;
  readonly #replicas: { at: ServiceProcess; pool: Pool; ready: boolean }[];
  readonly #work: Promise<void>[] = [];
  #next = 1;
  #turn = 0;
  #stopping = false;

  constructor(replicas: readonly ServiceProcess[]) {
    this.#replicas = replicas.map((at) => ({ at, pool: new Pool(at.url, { connections: 4, pipelining: 4 }), ready: true }));
  }

  start(): void {
    for (const replica of this.#replicas) this.#work.push(this.#watch(replica));
    for (let lane = 0; lane < LANES; lane += 1) this.#work.push(this.#lane());
  }

  /** Lets every lane finish what it is at. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#work);
    await Promise.all(this.#replicas.map(({ pool }) => pool.close()));
  }

  async #watch(replica: { at: ServiceProcess; ready: boolean }): Promise<void> {
    while (!this.#stopping) {
      const answer = await fetch(`${replica.at.url}/readyz`).catch(() => undefined);
      await answer?.body?.cancel();
      replica.ready = answer?.status === 200;
      await sleep(POLL_MS);
    }
  }

  /** One person after the other: joins, is renamed twice, is read by several at once, and every third one leaves. */
  async #lane(): Promise<void> {
    let mine: Acknowledged | undefined;
    while (!this.#stopping) {
      if (this.#next > PEOPLE_MAX && mine !== undefined) {
        const title = `Title ${this.answers}`;
        if (await this.#change(mine.id, 'title', title)) mine.title = title;
        continue;
      }
      const n = this.#next++;
      const created = await this.#ask('POST', '/Users', 201, oktaUser(person(n)));
      const id = String(created?.id);
      if (created === undefined) continue;
      const now: Acknowledged = { id, familyName: person(n).familyName, active: true };
      this.acknowledged.set(n, now);
      mine = now;
      for (const familyName of [`First${n}`, `Second${n}`]) {
        if (await this.#change(id, 'name.familyName', familyName)) now.familyName = familyName;
        const seen = await Promise.all(Array.from({ length: 4 }, () => this.#ask('GET', `/Users/${id}`, 200)));
        for (const each of seen) {
          const { familyName: told } = (each?.name ?? {}) as { familyName?: string };
          if (told !== now.familyName) this.strange.push(`person ${n} is called ${told}, not ${now.familyName}`);
        }
      }
      if (n % 3 === 0 && (await this.#change(id, 'active', false))) now.active = false;
    }
  }

  async #change(id: string, path: string, value: unknown): Promise<boolean> {
    return (await this.#ask('PATCH', `/Users/${id}`, 200, patch({ op: 'replace', path, value }))) !== undefined;
  }

  async #ask(
    method: Dispatcher.HttpMethod,
    path: string,
    expected: number,
    body?: object,
  ): Promise<Record<string, unknown> | undefined> {
    await sleep(PAUSE_MS);
    for (;;) {
      const replica = this.#choose();
      if (replica === undefined) {
        await sleep(POLL_MS);
        continue;
      }
      try {
        const answer = await replica.pool.request({
          method,
          path: `/scim/v2${path}`,
          headers: { authorization: `Bearer ${SCIM_TOKEN}`, 'content-type': 'application/scim+json' },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        const json = (await answer.body.json()) as Record<string, unknown>;
        this.answers += 1;
        if (answer.headers.connection === 'close') {
          this.goodbyes.set(replica.at.name, (this.goodbyes.get(replica.at.name) ?? 0) + 1);
        }
        if (answer.statusCode === expected) return json;
        this.strange.push(`${method} was answered ${answer.statusCode}: ${String(json.detail)}`);
        return undefined;
      } catch (error) {
        const { code = 'no code' } = error as NodeJS.ErrnoException;
        if (method === 'GET' || UNSENT.has(code)) continue;
        this.unanswered.push(`${method} at ${replica.at.name}: ${code}`);
        return undefined;
      }
    }
  }

  #choose(): { at: ServiceProcess; pool: Pool } | undefined {
    const ready = this.#replicas.filter((replica) => replica.ready);
    this.#turn += 1;
    return ready[this.#turn % ready.length];
  }
}
