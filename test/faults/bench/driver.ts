/**
 * Owns the load: people who join, change, leave and come back, each told in the words of their identity provider, and the log of what was answered.
 * Behaves as identity providers do: one request about a person at a time, and after no answer or "not now" it looks and sends the same again.
 * What each person does follows from the seed alone; who is served when does not. Refuses to judge an answer.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { steadyMs } from '../../../src/sandbox/ledger.ts';
import { entraUser, oktaUser, type Person, patch } from '../../support/people.ts';
import { SCIM_TOKEN } from '../../support/service.ts';
import type { Ack, BelievedGroup, ReadAck, Text, Wish, Write } from './evidence.ts';
import { GroupLife } from './group-life.ts';
import type { Random } from './random.ts';

/** Stands in everything personal that the driver sends, and nowhere else. */
export const CANARY = 'zqxv';

const ANSWER_MS_MAX = 10_000;
/** A person whose request is never answered well is a finding of its own (I12), not a reason to wait for ever. */
const TRIES_MAX = 200;
const AT_ONCE = 6;

export type Dialect = 'okta' | 'entra';

export interface DriverOptions {
  random: Random;
  dialect: Dialect;
  people: number;
  /** The number of the first person; default 1. */
  from?: number;
  steps: number;
  /** Whether people join and leave groups, and groups get other names. */
  groups?: boolean;
  replicas: { name: string; url: string }[];
  /** As long as this is true, people go on after their steps, at a slower pace. */
  goOn?: () => boolean;
  /** Told after every answered or given-up step, with how many there were. */
  onStep?: (steps: number) => void;
  /** Stands between the driver and the service, for planted bugs. */
  fetch?: typeof fetch;
}

/** What the identity provider believes of one person. */
interface Belief {
  number: number;
  who: Person;
  id: string | undefined;
  wish: Wish | undefined;
  random: Random;
}

type Step =
  | 'join'
  | 'rename'
  | 'title'
  | 'leave'
  | 'return'
  | 'delete'
  | 'rehire'
  | 'again'
  | 'flap'
  | 'read'
  | 'groups'
  | 'rename-group';

const STEPS: Record<'absent' | 'active' | 'inactive' | 'deleted', Partial<Record<Step, number>>> = {
  absent: { join: 1 },
  active: { rename: 3, title: 2, leave: 4, delete: 1, read: 2, again: 1, flap: 1 },
  inactive: { return: 5, rename: 1, title: 1, delete: 1, read: 2 },
  deleted: { rehire: 5, read: 1 },
};

/** On top of these, where there are groups. */
const GROUP_STEPS: Partial<Record<Step, number>> = { groups: 7, 'rename-group': 1 };

export function personNumber(n: number): Person {
  return {
    externalId: `00u${String(n).padStart(5, '0')}`,
    userName: `${CANARY}.${n}@example.com`,
    givenName: `Given${CANARY}`,
    familyName: `Family${CANARY}`,
  };
}

export class Driver {
  readonly acks: Ack[] = [];
  /** Bodies of error answers, for the search for what must not be in them. */
  readonly errorBodies: Text[] = [];
  readonly #options: DriverOptions;
  readonly #people: Belief[];
  readonly #groups: GroupLife | undefined;
  #requests = 0;
  #names = 0;
  #steps = 0;

  constructor(options: DriverOptions) {
    this.#options = options;
    const first = options.from ?? 1;
    this.#people = Array.from({ length: options.people }, (_, i) => ({
      number: first + i,
      who: personNumber(first + i),
      id: undefined,
      wish: undefined,
      random: options.random.fork(`person ${first + i}`),
    }));
    const { random, replicas, dialect } = options;
    const asked = random.fork('replicas of groups');
    if (options.groups === true)
      this.#groups = new GroupLife((method, path, body) => this.#send(asked.pick(replicas).name, method, path, body), dialect);
  }

  /** The groups as the identity provider believes them to be; none where they are not played. */
  get groups(): BelievedGroup[] {
    return this.#groups?.believed ?? [];
  }

  /** How many steps there will be. */
  get stepsInAll(): number {
    return this.#options.people * this.#options.steps;
  }

  /** Lets everybody take all their steps, a few people at once. */
  async run(): Promise<void> {
    await this.#groups?.begin(this.#options.random.fork('groups'));
    const waiting = this.#people.flatMap((person) => [person]);
    const work = async (): Promise<void> => {
      for (let person = waiting.shift(); person !== undefined; person = waiting.shift()) await this.#live(person);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  /** Reads everybody by id and by filter from every replica. */
  async readAll(): Promise<void> {
    for (const person of this.#people) {
      for (const { name } of this.#options.replicas) {
        if (person.id !== undefined) await this.#readById(person, name);
        await this.#readByFilter(person, name);
      }
    }
  }

  /** Lets everybody take one particular step, if it makes sense where they stand; a leaver does not leave again. */
  async all(step: Step): Promise<void> {
    await Promise.all(this.#people.map((person) => this.#do(person, step)));
  }

  async #live(person: Belief): Promise<void> {
    const { steps, goOn, onStep } = this.#options;
    for (let step = 0; step < steps || goOn?.() === true; step += 1) {
      await this.#take(person);
      this.#steps += 1;
      onStep?.(this.#steps);
      await sleep(step < steps ? person.random.between(0, 250) : person.random.between(200, 800));
    }
  }

  async #take(person: Belief): Promise<void> {
    const { random } = person;
    const state =
      person.wish !== undefined ? (person.wish.active ? 'active' : 'inactive') : person.id === undefined ? 'absent' : 'deleted';
    const steps = STEPS[state];
    const moves = this.#groups !== undefined && person.wish !== undefined;
    await this.#do(person, random.weighed(moves ? { ...steps, ...GROUP_STEPS } : steps));
    if (person.wish === undefined && person.id !== undefined) this.#groups?.forget(person.id);
  }

  async #do(person: Belief, step: Step): Promise<void> {
    const { random } = person;
    const familyName = (): string => {
      this.#names += 1;
      return `Family${CANARY}${person.number}.${this.#names}`;
    };
    switch (step) {
      case 'join':
      case 'rehire':
        return await this.#insist(person, {
          verb: 'create',
          wish: { active: true, familyName: familyName(), title: `t${random.between(1, 9)}` },
        });
      case 'again':
        await this.#once(person, { verb: 'create', wish: { active: true, familyName: familyName(), title: 't0' } });
        return;
      case 'rename':
        return await this.#change(person, { familyName: familyName() });
      case 'title':
        return await this.#change(person, { title: `t${random.between(1, 9)}` });
      case 'leave':
        return await this.#change(person, { active: false });
      case 'return':
        return await this.#change(person, { active: true });
      case 'flap':
        await this.#change(person, { active: false });
        await this.#change(person, { active: true });
        return;
      case 'delete':
        return await this.#insist(person, { verb: 'delete' });
      case 'read':
        return await this.#read(person);
      case 'groups':
        if (person.id !== undefined) await this.#groups?.move(person.id, random);
        return;
      case 'rename-group':
        return await this.#groups?.rename(random);
    }
  }

  /** Okta replaces the whole person, except that it may deactivate by PATCH; Entra changes what has changed. */
  async #change(person: Belief, change: Partial<Wish>): Promise<void> {
    if (person.wish === undefined) return;
    const whole = this.#options.dialect === 'okta' && (change.active === undefined || person.random.chance(0.5));
    await this.#insist(person, whole ? { verb: 'replace', wish: { ...person.wish, ...change } } : { verb: 'patch', change });
    if (person.random.chance(0.4)) await this.#read(person);
  }

  /** Sends a write until it is answered for good. */
  async #insist(person: Belief, write: Write): Promise<void> {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const status = await this.#once(person, write);
      if (status !== 'unknown' && status !== 429 && status < 500) return;
      await sleep(person.random.between(50, 400));
      if (status === 'unknown' && person.random.chance(0.5)) await this.#readByFilter(person, this.#replica(person));
    }
  }

  async #once(person: Belief, write: Write): Promise<number | 'unknown'> {
    this.#requests += 1;
    const requestId = `q${this.#requests}-p${person.number}`;
    const replica = this.#replica(person);
    const [method, path, body] = this.#wire(person, write);
    const sentAtMs = steadyMs();
    const { status, body: answer } = await this.#send(replica, method, path, body, requestId);
    const base = { person: person.number, sentAtMs, answeredAtMs: steadyMs(), status, replica };
    this.acks.push({ kind: 'write', ...base, requestId, write });
    await this.#believe(person, write, status, answer);
    return status;
  }

  async #believe(person: Belief, write: Write, status: number | 'unknown', answer: Record<string, unknown>): Promise<void> {
    if (write.verb === 'delete') {
      if (status === 204 || status === 404) person.wish = undefined;
    } else if (status === 200 || status === 201) {
      person.id = String(answer.id);
      person.wish = wishOf(answer);
    } else if (status === 409 && write.verb === 'create') {
      // There is somebody already: the one an earlier, unanswered request has made, or the one this was a repetition of.
      await this.#readByFilter(person, this.#replica(person));
    } else if (status === 404) {
      await this.#readByFilter(person, this.#replica(person));
    }
  }

  #wire(person: Belief, write: Write): [method: string, path: string, body: unknown] {
    const at = `/Users/${person.id}`;
    switch (write.verb) {
      case 'create':
        return ['POST', '/Users', this.#resource(person, write.wish)];
      case 'replace':
        return ['PUT', at, { ...this.#resource(person, write.wish), id: person.id }];
      case 'patch':
        return ['PATCH', at, patch(...this.#operations(write.change))];
      case 'delete':
        return ['DELETE', at, undefined];
    }
  }

  #resource(person: Belief, { active, familyName, title }: Wish): Record<string, unknown> {
    const who = { ...person.who, familyName };
    return this.#options.dialect === 'okta' ? oktaUser(who, { active, title }) : { ...entraUser(who), active, title };
  }

  #operations(change: Partial<Wish>): Record<string, unknown>[] {
    const { active, familyName, title } = change;
    if (this.#options.dialect === 'okta') return [{ op: 'replace', value: { ...(active === undefined ? {} : { active }) } }];
    const one = (path: string, value: unknown) => ({ op: 'Replace', path, value });
    return [
      ...(active === undefined ? [] : [one('active', active ? 'True' : 'False')]),
      ...(familyName === undefined ? [] : [one('name.familyName', familyName)]),
      ...(title === undefined ? [] : [one('title', title)]),
    ];
  }

  async #read(person: Belief): Promise<void> {
    if (person.id !== undefined && person.random.chance(0.5)) await this.#readById(person, this.#replica(person));
    else await this.#readByFilter(person, this.#replica(person));
  }

  async #readById(person: Belief, replica: string): Promise<void> {
    const sentAtMs = steadyMs();
    const { status, body } = await this.#send(replica, 'GET', `/Users/${person.id}`);
    const seen = status === 200 ? wishOf(body) : 'absent';
    this.#log(person, { how: 'id', sentAtMs, status, seen, replica });
  }

  /** The look that an identity provider takes when it does not know; it believes what it sees. */
  async #readByFilter(person: Belief, replica: string): Promise<void> {
    const sentAtMs = steadyMs();
    const filter = encodeURIComponent(`userName eq "${person.who.userName}"`);
    const { status, body } = await this.#send(replica, 'GET', `/Users?filter=${filter}`);
    const [found] = (body.Resources ?? []) as Record<string, unknown>[];
    const seen = found === undefined ? 'absent' : wishOf(found);
    this.#log(person, { how: 'filter', sentAtMs, status, seen, replica });
    if (status !== 200) return;
    if (found !== undefined) person.id = String(found.id);
    person.wish = seen === 'absent' ? undefined : seen;
  }

  #log(person: Belief, read: Omit<ReadAck, 'kind' | 'person' | 'answeredAtMs'>): void {
    this.acks.push({ kind: 'read', person: person.number, answeredAtMs: steadyMs(), ...read });
  }

  #replica(person: Belief): string {
    return person.random.pick(this.#options.replicas).name;
  }

  async #send(
    replica: string,
    method: string,
    path: string,
    body?: unknown,
    requestId?: string,
  ): Promise<{ status: number | 'unknown'; body: Record<string, unknown> }> {
    const url = this.#options.replicas.find(({ name }) => name === replica)?.url;
    const send = this.#options.fetch ?? fetch;
    try {
      const response = await send(`${url}/scim/v2${path}`, {
        method,
        headers: {
          authorization: `Bearer ${SCIM_TOKEN}`,
          ...(body === undefined ? {} : { 'content-type': 'application/scim+json' }),
          ...(requestId === undefined ? {} : { 'x-request-id': requestId }),
        },
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (response.status >= 400) this.errorBodies.push({ where: `error body of ${method} (${response.status})`, text });
      return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) };
    } catch {
      return { status: 'unknown', body: {} };
    }
  }
}

function wishOf(resource: Record<string, unknown>): Wish {
  const name = resource.name as { familyName?: string } | undefined;
  return { active: resource.active === true, familyName: name?.familyName ?? '', title: String(resource.title ?? '') };
}
