/**
 * Owns the memory of everything that a run has created, and its removal. It is the fence, too: a request that would change a resource
 * which this run did not create is a mistake in a check and never leaves. What cannot be removed is told, by path and name.
 * A create whose answer was lost or unreadable is looked up by its name, which carries the id of the run.
 */
import { randomUUID } from 'node:crypto';
import { type Answer, query } from './client.ts';
import { at, objectsAt, parse, textAt } from './json.ts';

type Ask = (method: string, path: string) => Promise<Answer>;
const KINDS = ['Users', 'Groups'] as const;
type Kind = (typeof KINDS)[number];

interface Creation {
  path: string;
  name: string;
  /** Kept until the end of the run. */
  shared: boolean;
  gone: boolean;
}

const RESOURCE = /^\/(Users|Groups)\/([^/?]+)(?:\?|$)/;
const CREATING = /^\/(Users|Groups)\/?(?:\?|$)/;
const CHANGING = new Set(['PUT', 'PATCH', 'DELETE']);

export class Creations {
  readonly #prefix: string;
  readonly #byPath = new Map<string, Creation>();
  /** Ids that belong to nobody, for requests that must find nothing. */
  readonly #nobodies = new Set<string>();
  #mayExist: { kind: Kind; name: string }[] = [];
  /** While true, what is created outlives its check. */
  sharing = false;

  /** @param prefix what every name of the run begins with */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** An id that nobody has. */
  nobody(): string {
    const id = randomUUID();
    this.#nobodies.add(id);
    return id;
  }

  /** Throws when a request would change what is not ours. Remembers names that are about to exist. */
  sending(method: string, path: string, body: string | undefined): void {
    this.#refuseForeign(method, path);
    if (method !== 'POST') return;
    const [, endpoint] = CREATING.exec(path) ?? [];
    if (endpoint !== undefined) this.#expect(endpoint as Kind, parse(body ?? ''));
    if (path !== '/Bulk') return;
    for (const operation of objectsAt(parse(body ?? ''), 'Operations')) {
      this.#refuseForeign(textAt(operation, 'method'), textAt(operation, 'path'));
      this.#expectBulk(operation.path, operation.data);
    }
  }

  /** Learns from an answer what exists now. */
  answered(answer: Answer): void {
    const { method, path } = answer.sent;
    if (method === 'DELETE' && (answer.status < 300 || answer.status === 404)) this.#gone(path);
    if (method !== 'POST') return;
    if (answer.status >= 400 && answer.status < 500) this.#forget(parse(answer.sent.body ?? ''));
    if (answer.status >= 300) return;
    const [, endpoint] = CREATING.exec(path) ?? [];
    if (endpoint !== undefined) {
      const id = textAt(answer.body, 'id') || (answer.headers.location?.split('/').at(-1) ?? '');
      const name = textAt(answer.body, 'userName') || textAt(answer.body, 'displayName');
      if (id !== '') this.#remember(`/${endpoint}/${id}`, name || nameIn(parse(answer.sent.body ?? '')));
    }
    if (path === '/Bulk') {
      for (const operation of objectsAt(answer.body, 'Operations')) this.#rememberBulk(operation);
    }
  }

  /** Removes what the check that has just ended created; at the end of the run with `all` whatever is left. */
  async remove(ask: Ask, all = false): Promise<void> {
    const mine = [...this.#byPath.values()].filter(({ gone, shared }) => !gone && (all || !shared));
    // Groups first: a server may refuse to delete somebody who is still a member.
    for (const creation of mine.sort((a, b) => (a.path < b.path ? -1 : 1))) {
      await this.#delete(ask, creation.path);
    }
    await this.#removeLost(ask);
    if (all && this.#byPath.size > 0) for (const kind of KINDS) await this.#lookAgain(ask, kind);
  }

  /** A server may say that something is gone and keep it: at the end the names of the run are asked for. */
  async #lookAgain(ask: Ask, kind: Kind): Promise<void> {
    const attribute = nameOf(kind);
    const found = await ask('GET', `/${kind}${query({ filter: `${attribute} sw ${JSON.stringify(this.#prefix)}` })}`).catch(
      () => undefined,
    );
    if (found === undefined || found.status !== 200) return;
    for (const resource of objectsAt(found.body, 'Resources')) {
      const name = textAt(resource, attribute);
      if (name.toLowerCase().startsWith(this.#prefix.toLowerCase())) this.#remember(`/${kind}/${textAt(resource, 'id')}`, name);
    }
  }

  async #delete(ask: Ask, path: string): Promise<void> {
    const answer = await ask('DELETE', path).catch(() => undefined);
    if (answer !== undefined && (answer.status < 300 || answer.status === 404)) this.#gone(path);
  }

  /** What is still there, in words. */
  left(): string[] {
    const known = [...this.#byPath.values()].filter(({ gone }) => !gone).map(({ path, name }) => `${path} (${name})`);
    return [...known, ...this.#mayExist.map(({ kind, name }) => `/${kind} named ${name}, perhaps: its create was not answered`)];
  }

  /** Looks up names whose create was never answered readably; only an exact match of a name of this run is removed. */
  async #removeLost(ask: Ask): Promise<void> {
    const known = new Set([...this.#byPath.values()].map(({ name }) => name.toLowerCase()));
    const lost = this.#mayExist.filter(({ name }) => !known.has(name.toLowerCase()));
    this.#mayExist = [];
    for (const { kind, name } of lost) {
      const attribute = nameOf(kind);
      const found = await ask('GET', `/${kind}${query({ filter: `${attribute} eq ${JSON.stringify(name)}` })}`).catch(
        () => undefined,
      );
      if (found === undefined || found.status !== 200) {
        this.#mayExist.push({ kind, name });
        continue;
      }
      for (const resource of objectsAt(found.body, 'Resources')) {
        if (textAt(resource, attribute).toLowerCase() !== name.toLowerCase()) continue;
        const path = `/${kind}/${textAt(resource, 'id')}`;
        this.#remember(path, name);
        await this.#delete(ask, path);
      }
    }
  }

  #refuseForeign(method: string, path: string): void {
    const [, kind, id] = RESOURCE.exec(path) ?? [];
    if (!CHANGING.has(method) || id === undefined || this.#byPath.has(`/${kind}/${id}`) || this.#nobodies.has(id)) return;
    throw new Error(`refused to send ${method} ${path}: this run did not create it`);
  }

  #expect(kind: Kind, body: unknown): void {
    const name = nameIn(body);
    if (name.startsWith(this.#prefix)) this.#mayExist.push({ kind, name });
  }

  /** A refused create made nothing. */
  #forget(body: unknown): void {
    const names = [nameIn(body), ...objectsAt(body, 'Operations').map(({ data }) => nameIn(data))];
    this.#mayExist = this.#mayExist.filter(({ name }) => !names.includes(name));
  }

  #expectBulk(path: unknown, data: unknown): void {
    const [, endpoint] = CREATING.exec(String(path)) ?? [];
    if (endpoint !== undefined) this.#expect(endpoint as Kind, data);
  }

  #rememberBulk(operation: Record<string, unknown>): void {
    const location = textAt(operation, 'location');
    const [, kind, id] = /\/(Users|Groups)\/([^/]+)$/.exec(location) ?? [];
    const status = Number(at(operation, 'status', 'code') ?? operation.status);
    if (status === 201 && kind !== undefined && id !== undefined) this.#remember(`/${kind}/${id}`, 'created by a bulk request');
  }

  #remember(path: string, name: string): void {
    if (!this.#byPath.has(path)) this.#byPath.set(path, { path, name, shared: this.sharing, gone: false });
    const known = this.#byPath.get(path);
    if (known !== undefined) known.gone = false;
    this.#mayExist = this.#mayExist.filter((one) => one.name.toLowerCase() !== name.toLowerCase());
  }

  #gone(path: string): void {
    const [, kind, id] = RESOURCE.exec(path) ?? [];
    const known = this.#byPath.get(`/${kind}/${id}`);
    if (known !== undefined) known.gone = true;
  }
}

function nameIn(body: unknown): string {
  return textAt(body, 'userName') || textAt(body, 'displayName');
}

function nameOf(kind: Kind): 'userName' | 'displayName' {
  return kind === 'Users' ? 'userName' : 'displayName';
}
