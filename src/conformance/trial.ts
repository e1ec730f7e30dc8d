/**
 * Owns what a check can do: send requests, make people and groups of its own, change them, and ask what the server offers.
 * Refuses to judge (expect.ts) and to touch what the run did not create (creations.ts).
 */
import type { Answer, Client, SendOptions } from './client.ts';
import { NoAnswer, query } from './client.ts';
import type { Creations } from './creations.ts';
import { attributeRow, attributesOf, type Discovered, type Feature, requiredExtras, whyNot } from './discover.ts';
import { expectList, expectObject, expectStatus, expectThat, type List, NotOffered, Unmet } from './expect.ts';
import { type JsonObject, textAt } from './json.ts';
import { ENTERPRISE_URN, GROUP_URN, PATCH_URN, USER_URN } from './urns.ts';

/** A resource that a check made. */
export interface Made {
  id: string;
  path: string;
  /** userName or displayName. */
  name: string;
  body: JsonObject;
  answer: Answer;
}

/** The three people that filters, sorting and paging are tried on. */
export interface Cast {
  ann: Made;
  bob: Made;
  cora: Made;
}

export interface World {
  client: Client;
  creations: Creations;
  discovered: Discovered;
  /** Short, random, in every name. */
  run: string;
  readOnly: boolean;
  counter: number;
  cast?: Promise<Cast>;
}

/** A check that would write while `--read-only` is on. */
export class Skipped extends Error {
  override name = 'Skipped';
}

/** Begins every name of a run. */
export function prefixOf(run: string): string {
  return `conformance-${run}-`;
}

const READING = new Set(['GET', 'HEAD', 'OPTIONS']);
const PAGES_MAX = 20;

export class Trial {
  readonly world: World;
  readonly prefix: string;

  constructor(world: World) {
    this.world = world;
    this.prefix = prefixOf(world.run);
  }

  /** Sends one request. A server that does not answer has not met anything. */
  async send(method: string, path: string, body?: unknown, options?: SendOptions): Promise<Answer> {
    const { client, creations, readOnly } = this.world;
    if (readOnly && !READING.has(method)) throw new Skipped(`${method} is not sent with --read-only`);
    creations.sending(method, path, typeof body === 'string' ? body : JSON.stringify(body));
    try {
      const answer = await client.send(method, path, body, options);
      creations.answered(answer);
      return answer;
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      throw new Unmet('an answer', error.message, { sent: error.sent, status: 0, headers: {}, text: '', body: undefined });
    }
  }

  get(path: string, parameters: Record<string, string | number> = {}, options?: SendOptions): Promise<Answer> {
    return this.send('GET', path + query(parameters), undefined, options);
  }

  /** A name that nobody has, with the id of the run in it. */
  name(hint: string): string {
    this.world.counter += 1;
    return `${this.prefix}${hint}-${this.world.counter}`;
  }

  /** The body of a person with all that the server requires. @param more replaces attributes; undefined removes them */
  userBody(hint: string, more: JsonObject = {}): JsonObject {
    const name = this.name(hint);
    const base: JsonObject = {
      schemas: [USER_URN],
      userName: `${name}@conformance.example`,
      externalId: `x-${name}`,
      name: { givenName: 'Con', familyName: 'Formance' },
      displayName: `Con Formance ${name}`,
      emails: [{ value: `${name}@conformance.example`, type: 'work', primary: true }],
      active: true,
    };
    return { ...requiredExtras(this.world.discovered, base), ...base, ...more };
  }

  groupBody(hint: string, more: JsonObject = {}): JsonObject {
    return { schemas: [GROUP_URN], displayName: this.name(hint), ...more };
  }

  /** Makes a person; the check fails where the server does not let it. */
  async user(more: JsonObject = {}, hint = 'user'): Promise<Made> {
    return this.#made('/Users', 'userName', this.userBody(hint, more));
  }

  /** Makes a group. @param members the people in it */
  async group(members: readonly Made[] = [], more: JsonObject = {}): Promise<Made> {
    const body = this.groupBody('group', { ...(members.length > 0 && { members: membersOf(members) }), ...more });
    return this.#made('/Groups', 'displayName', body);
  }

  /** Patches, expects success and gives back the resource as it is afterwards. */
  async patch(made: Pick<Made, 'path'>, ...operations: JsonObject[]): Promise<JsonObject> {
    const answer = await this.tryPatch(made, ...operations);
    expectStatus(answer, 200, 204);
    return this.fresh(made);
  }

  /** Patches and gives back the answer, whatever it is. */
  tryPatch(made: Pick<Made, 'path'>, ...operations: JsonObject[]): Promise<Answer> {
    return this.send('PATCH', made.path, { schemas: [PATCH_URN], Operations: operations });
  }

  /** Reads a resource that must be there. */
  async fresh(made: Pick<Made, 'path'>): Promise<JsonObject> {
    return expectObject(await this.get(made.path));
  }

  /** Reads a whole list, page by page. */
  async all(path: string, parameters: Record<string, string | number>): Promise<List> {
    const whole = expectList(await this.get(path, parameters));
    for (let page = 1; page < PAGES_MAX && whole.resources.length < whole.total; page += 1) {
      const next = expectList(await this.get(path, { ...parameters, startIndex: whole.resources.length + 1 }));
      if (next.resources.length === 0) break;
      whole.resources.push(...next.resources);
      whole.ids.push(...next.ids);
    }
    return whole;
  }

  /** Expects a filter to find these of the cast and none of the others. */
  async finds(filter: string, ...expected: (keyof Cast)[]): Promise<void> {
    const cast = await this.cast();
    const list = await this.all('/Users', { filter });
    const found = (Object.keys(cast) as (keyof Cast)[]).filter((name) => list.ids.includes(cast[name].id));
    const asked =
      expected.length === 0 ? 'nobody of ann, bob and cora' : `exactly ${expected.join(' and ')} of ann, bob and cora`;
    expectThat(list.answer, found.join() === expected.join(), asked, found.length === 0 ? 'none of them' : found.join(' and '));
  }

  /** Only people of this run: put before a filter that would also match others. */
  get mine(): string {
    return `userName sw "${this.prefix}cast-"`;
  }

  /** Ann, Bob and Cora, made once in a run. */
  cast(): Promise<Cast> {
    this.world.cast ??= this.#makeCast();
    return this.world.cast;
  }

  /** Sees to it that somebody is there whom a filter must not find; with `--read-only` the server has to have people of its own. */
  async someone(): Promise<void> {
    if (!this.world.readOnly) await this.cast();
  }

  /** Goes on only with a part of SCIM that a server may leave out. */
  needs(feature: Feature): void {
    const why = whyNot(this.world.discovered, feature);
    if (why !== undefined) throw new NotOffered(why);
  }

  /** Goes on only when the attribute is in the server's schema, or the schema could not be read. */
  needsAttribute(name: string, urn = USER_URN): void {
    const { discovered } = this.world;
    if (attributesOf(discovered, urn) === undefined || attributeRow(discovered, urn, name) !== undefined) return;
    throw new NotOffered(`${name} is no attribute of ${urn} on this server`);
  }

  async #made(endpoint: '/Users' | '/Groups', key: string, body: JsonObject): Promise<Made> {
    const answer = await this.send('POST', endpoint, body);
    const created = expectObject(answer, 201);
    const id = textAt(created, 'id');
    expectThat(answer, id !== '', 'an id', created.id);
    return { id, path: `${endpoint}/${encodeURIComponent(id)}`, name: textAt(body, key), body: created, answer };
  }

  async #makeCast(): Promise<Cast> {
    const { creations, discovered, run } = this.world;
    const enterprise = whyNot(discovered, 'enterprise') === undefined;
    const person = async (first: string, more: JsonObject): Promise<Made> => {
      const name = `${this.prefix}cast-${first.toLowerCase()}`;
      return this.user({
        userName: `${name}@conformance.example`,
        externalId: `X-${first}-${run}`,
        name: { givenName: first, familyName: `${first}son ${run}` },
        displayName: `${first} ${run}`,
        emails: [
          { value: `${name}@work.example`, type: 'work', primary: true },
          { value: `${name}@home.example`, type: 'home' },
        ],
        ...more,
      });
    };
    const department = (of: string): JsonObject =>
      enterprise ? { schemas: [USER_URN, ENTERPRISE_URN], [ENTERPRISE_URN]: { department: `${of} ${run}` } } : {};
    creations.sharing = true;
    try {
      const ann = await person('Ann', { title: `Alpha ${run}`, nickName: `Annie ${run}`, ...department('Design') });
      const bob = await person('Bob', { title: `Bravo ${run}`, ...department('Sales') });
      const cora = await person('Cora', { active: false });
      return { ann, bob, cora };
    } finally {
      creations.sharing = false;
    }
  }
}

/** Members as a client sends them. */
export function membersOf(people: readonly Pick<Made, 'id'>[]): JsonObject[] {
  return people.map(({ id }) => ({ value: id }));
}
