/**
 * Owns the identity provider: it writes about each person, one thing after another or without waiting, looks again when an answer fails to come, and keeps
 * the log of what it was told. Refuses to know what becomes of a write. The log has the shape of the fault bench, and is judged by the same checker.
 */

import { DirectoryUnavailable } from '../../src/directory/unavailable.ts';
import type { Users } from '../../src/directory/users.ts';
import { ScimError } from '../../src/scim/error.ts';
import { readListQuery } from '../../src/scim/list.ts';
import type { JsonObject } from '../../src/scim/types.ts';
import type { Ack, Wish, Write, WriteAck } from '../faults/bench/evidence.ts';
import type { Random } from '../faults/bench/random.ts';
import type { SimProcess, VirtualClock } from './clock.ts';
import type { HistoryEvent } from './history.ts';

/** An api process as it is now; the next one of that name takes its place. */
export interface Api {
  process: SimProcess;
  users: Users;
  /** Requests under way, to be broken off when the process dies. */
  pending: Set<() => void>;
}

const PATIENCE_MS = 30_000;
const TRIES_MAX = 8;
const USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

interface Person {
  number: number;
  id: string | undefined;
  /** What the provider believes to have said last. */
  wish: Wish;
  /** The end of the last thing that was begun about this person. */
  tail: Promise<void>;
}

type WriteEvent = Extract<HistoryEvent, { kind: 'write' }>;
type ReadEvent = Extract<HistoryEvent, { kind: 'read' }>;

interface Told {
  status: number | 'unknown';
  body?: { id: string; attributes: JsonObject } | undefined;
}

export class SimIdp {
  readonly acks: Ack[] = [];
  readonly #people = new Map<number, Person>();
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #apis: () => Api[];
  readonly #onDefect: (error: unknown) => void;
  #requests = 0;
  #names = 0;

  /** @param onDefect hears of errors that no client should ever see */
  constructor(clock: VirtualClock, random: Random, apis: () => Api[], onDefect: (error: unknown) => void) {
    this.#clock = clock;
    this.#random = random;
    this.#apis = apis;
    this.#onDefect = onDefect;
  }

  /** Everything that was begun has an end. */
  async quiet(): Promise<void> {
    await Promise.all([...this.#people.values()].map(({ tail }) => tail));
  }

  write(event: WriteEvent): void {
    this.#begin(event.person, event.impatient, (person) => this.#write(person, event));
  }

  read(event: ReadEvent): void {
    this.#begin(event.person, true, (person) => this.#read(person, event));
  }

  #begin(number: number, impatient: boolean, act: (person: Person) => Promise<void>): void {
    const person = this.#people.get(number) ?? blank(number);
    this.#people.set(number, person);
    const before = person.tail;
    person.tail = impatient
      ? Promise.all([before, act(person)]).then(() => undefined)
      : before.then(async () => await act(person));
  }

  async #write(person: Person, { verb, replica }: WriteEvent): Promise<void> {
    const meant = this.#changeOf(verb);
    const wanted = { ...person.wish, ...meant };
    person.wish = wanted;
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const { id } = person;
      if (id === undefined && verb === 'delete') return;
      // Every name is sent once only, so that the checker can tell at Maxio which write a name is from.
      const familyName = this.#freshName();
      const wish = { ...wanted, familyName };
      const write = writeOf(verb, id, wish, meant.familyName === undefined ? meant : { ...meant, familyName });
      const told = await this.#send(person, write, id, replica + tries);
      const { status } = told;
      if (status === 201) person.id = told.body?.id;
      if (status === 409) await this.#find(person, replica + tries);
      if (status === 404 || status === 204) person.id = undefined;
      if (status === 404 && verb === 'delete') return;
      if (status !== 'unknown' && (status === 200 || status === 201 || status === 204)) return;
      if (status === 'unknown' && id === undefined) await this.#find(person, replica + tries);
      await this.#clock.sleep(this.#random.between(1_000, 20_000), undefined);
    }
  }

  #freshName(): string {
    this.#names += 1;
    return `Name${this.#names}`;
  }

  #changeOf(verb: WriteEvent['verb']): Partial<Wish> {
    const familyName = this.#freshName();
    switch (verb) {
      case 'create':
      case 'replace':
        return { familyName, active: verb === 'create' ? true : this.#random.chance(0.8) };
      case 'activate':
        return { active: true };
      case 'deactivate':
        return { active: false };
      case 'rename':
        return { familyName };
      case 'retitle':
        return { title: `Title ${this.#names}` };
      case 'delete':
        return { active: false };
    }
  }

  /** How an identity provider learns the id of somebody it did not get an answer about. */
  async #find(person: Person, replica: number): Promise<void> {
    const told = await this.#request(person.number, replica, async (users) => {
      const { records } = await users.list(readListQuery({ filter: `userName eq "${userNameOf(person.number)}"` }));
      return records[0];
    });
    this.#noteRead(person.number, 'filter', told);
    if (told.status === 200) person.id = told.body?.id;
  }

  async #read(person: Person, { how, replica }: ReadEvent): Promise<void> {
    const { id } = person;
    if (how === 'filter' || id === undefined) return await this.#find(person, replica);
    const told = await this.#request(person.number, replica, async (users) => await users.read(id));
    this.#noteRead(person.number, 'id', told);
  }

  #noteRead(person: number, how: 'id' | 'filter', told: Told & Exchange): void {
    const { status, body, sentAtMs, answeredAtMs, replica } = told;
    const seen = body === undefined ? ('absent' as const) : wishOf(body.attributes);
    this.acks.push({ kind: 'read', how, seen, person, status, sentAtMs, answeredAtMs, replica });
  }

  async #send(person: Person, write: Write, id: string | undefined, replica: number): Promise<Told> {
    this.#requests += 1;
    const requestId = `request-${this.#requests}`;
    const context = { requestId, actor: 'simulation' };
    const told = await this.#request(person.number, replica, async (users) => {
      if (write.verb === 'create') return await users.create(resource(person.number, write.wish), context);
      if (id === undefined) throw new TypeError('a write about nobody');
      if (write.verb === 'replace') return await users.replace(id, resource(person.number, write.wish), context);
      if (write.verb === 'patch') return await users.patch(id, patchOf(write.change), context);
      await users.remove(id, context);
      return undefined;
    });
    const status =
      told.status === 200 && write.verb === 'create' ? 201 : told.status === 200 && write.verb === 'delete' ? 204 : told.status;
    const { sentAtMs, answeredAtMs, replica: name } = told;
    const ack: WriteAck = {
      kind: 'write',
      person: person.number,
      requestId,
      write,
      status,
      sentAtMs,
      answeredAtMs,
      replica: name,
    };
    this.acks.push(ack);
    return { ...told, status };
  }

  /** Ask one api process, over a way that takes time, and may break. */
  async #request(
    person: number,
    replica: number,
    ask: (users: Users) => Promise<{ id: string; attributes: JsonObject } | undefined>,
  ): Promise<Told & Exchange> {
    const clock = this.#clock;
    const sentAtMs = clock.nowMs;
    const apis = this.#apis();
    const api = apis[replica % apis.length];
    const told = await new Promise<Told>((resolve) => {
      const unknown = (): void => resolve({ status: 'unknown' });
      clock.after(PATIENCE_MS, undefined, unknown);
      if (api === undefined || !api.process.alive) {
        clock.after(1, undefined, unknown);
        return;
      }
      api.pending.add(unknown);
      clock.after(this.#random.between(0, 5), api.process, () => {
        ask(api.users)
          .then((body): Told => ({ status: 200, body }), statusOf)
          .then((answer) => {
            api.pending.delete(unknown);
            clock.after(this.#random.between(0, 5), undefined, () => resolve(answer));
          })
          .catch(this.#onDefect);
      });
    });
    return { ...told, sentAtMs, answeredAtMs: clock.nowMs, replica: `api-${(replica % 2) + 1} (${person})` };
  }
}

interface Exchange {
  sentAtMs: number;
  answeredAtMs: number;
  replica: string;
}

function statusOf(error: unknown): Told {
  if (error instanceof ScimError) return { status: error.status };
  if (error instanceof DirectoryUnavailable) return { status: 503 };
  throw error;
}

function blank(number: number): Person {
  return { number, id: undefined, wish: { active: true, familyName: 'Name0', title: '' }, tail: Promise.resolve() };
}

function writeOf(verb: WriteEvent['verb'], id: string | undefined, wish: Wish, change: Partial<Wish>): Write {
  if (id === undefined) return { verb: 'create', wish };
  if (verb === 'delete') return { verb };
  return verb === 'create' || verb === 'replace' ? { verb: 'replace', wish } : { verb: 'patch', change };
}

function userNameOf(person: number): string {
  return `person${person}@example.com`;
}

function resource(person: number, { active, familyName, title }: Wish): JsonObject {
  const userName = userNameOf(person);
  return {
    schemas: [USER],
    userName,
    externalId: `external-${person}`,
    name: { givenName: 'Pat', familyName },
    emails: [{ value: userName, type: 'work', primary: true }],
    active,
    ...(title === '' ? {} : { title }),
  };
}

function patchOf({ active, familyName, title }: Partial<Wish>): JsonObject {
  const operations: JsonObject[] = [];
  if (active !== undefined) operations.push({ op: 'replace', path: 'active', value: active });
  if (familyName !== undefined) operations.push({ op: 'replace', path: 'name.familyName', value: familyName });
  if (title !== undefined) operations.push({ op: 'replace', path: 'title', value: title });
  return { schemas: [PATCH], Operations: operations };
}

/** What of a stored person the histories compare. */
export function wishOf(attributes: JsonObject): Wish {
  const { active, name, title } = attributes as { active?: boolean; name?: { familyName?: string }; title?: string };
  return { active: active === true, familyName: name?.familyName ?? '', title: title ?? '' };
}
