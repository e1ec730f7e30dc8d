/**
 * Owns one client of a site for tests of isolation: it plays steps in which every id, version and cursor may be one of its own, one of the neighbour's, or
 * nobody's, and gives answers back as a text without what differs by chance (ids of groups, moments, cursors).
 * Refuses to judge: whether two texts must be equal is said by the test.
 */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { ask, patchOf, person, type ScimAnswer, type ScimServer } from './scim-server.ts';

export interface Slot {
  whose: 'own' | 'theirs' | 'nobody';
  index: number;
}

type Kind = 'Users' | 'Groups';
export interface Step {
  what: 'create' | 'read' | 'put' | 'patch' | 'delete' | 'list' | 'search' | 'cursor' | 'bulk';
  kind: Kind;
  /** What the path, or the filter, names. */
  target: Slot;
  /** What the body names: members of a group, the manager of a person. */
  named: Slot[];
  version: Slot | undefined;
  /** Which person or group a body is about: names are taken again and again. */
  n: number;
  form: number;
}

const slot: fc.Arbitrary<Slot> = fc.record({
  whose: fc.constantFrom('theirs', 'theirs', 'own', 'own', 'nobody'),
  index: fc.nat(5),
});

export const steps: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom(
    'create',
    'create',
    'read',
    'put',
    'patch',
    'patch',
    'delete',
    'list',
    'list',
    'search',
    'cursor',
    'bulk',
  ),
  kind: fc.constantFrom('Users', 'Groups'),
  target: slot,
  named: fc.array(slot, { maxLength: 3 }),
  version: fc.option(slot, { nil: undefined }),
  n: fc.nat(3),
  form: fc.nat(5),
});

/** What the client knows of somebody: ids, versions and cursors that were seen in answers. */
export interface Known {
  ids: Record<Kind, string[]>;
  versions: string[];
  cursors: string[];
}

const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';
const BULK = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest';
const SEARCH = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest';

export class Client {
  readonly own: Known = { ids: { Users: [], Groups: [] }, versions: [], cursors: [] };
  /** What stands for the neighbour's: the true ones, or in a world without neighbour ones that never were. */
  readonly theirs: Known;
  readonly #server: ScimServer;
  readonly #token: string;
  readonly #mark: string;

  /** @param mark stands in every text of this client, so that it is recognised wherever it turns up */
  constructor(server: ScimServer, { token, mark, theirs }: { token: string; mark: string; theirs: Known }) {
    this.#server = server;
    this.#token = token;
    this.#mark = mark;
    this.theirs = theirs;
  }

  /** Plays one step. @returns the request in words, and the answer without what differs by chance */
  async play(step: Step): Promise<{ asked: string; answered: string }> {
    const { method, path, body, headers } = this.#request(step);
    const request = { app: this.#server.app, token: this.#token };
    const answer = await ask(request, method, path, body, headers);
    this.#learn(step, method, answer);
    return {
      asked: this.#plain(`${method} ${path} ${JSON.stringify(body ?? '')} ${JSON.stringify(headers)}`),
      answered: this.#text(answer),
    };
  }

  #request(step: Step): {
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
    path: string;
    body?: unknown;
    headers: Record<string, string>;
  } {
    const { what, kind, form } = step;
    const base = `/scim/v2/${kind}`;
    const one = `${base}/${this.#id(kind, step.target)}`;
    const guarded: Record<string, string> = step.version === undefined ? {} : { 'if-match': this.#version(step.version) };
    if (what === 'create') return { method: 'POST', path: base, body: this.#body(step), headers: {} };
    if (what === 'read') {
      const seen: Record<string, string> = step.version === undefined ? {} : { 'if-none-match': this.#version(step.version) };
      return { method: 'GET', path: one, headers: seen };
    }
    if (what === 'put') return { method: 'PUT', path: one, body: this.#body(step), headers: guarded };
    if (what === 'patch') return { method: 'PATCH', path: one, body: this.#patch(step), headers: guarded };
    if (what === 'delete') return { method: 'DELETE', path: one, headers: guarded };
    if (what === 'bulk') return { method: 'POST', path: '/scim/v2/Bulk', body: this.#bulk(step), headers: {} };
    if (what === 'cursor') {
      const known = step.target.whose === 'own' ? this.own.cursors : this.theirs.cursors;
      return {
        method: 'GET',
        path: `${base}?count=1&cursor=${known[step.target.index % Math.max(1, known.length)] ?? ''}`,
        headers: {},
      };
    }
    const filter = this.#filter(step);
    if (what === 'list') return { method: 'GET', path: `${base}?filter=${encodeURIComponent(filter)}`, headers: {} };
    const where = form % 2 === 0 ? '/scim/v2/.search' : `${base}/.search`;
    return {
      method: 'POST',
      path: where,
      body: { schemas: [SEARCH], filter: form % 2 === 0 ? `id eq "${this.#id(kind, step.target)}"` : filter },
      headers: {},
    };
  }

  #filter({ kind, target, form, n }: Step): string {
    const [user, group] = [this.#id('Users', target), this.#id('Groups', target)];
    const forms =
      kind === 'Users'
        ? [
            `id eq "${user}"`,
            `groups.value eq "${group}"`,
            `${ENTERPRISE}:manager.value eq "${user}"`,
            `userName eq "p${n}@example.com"`,
            `externalId eq "id-of-p${n}"`,
            `meta.location co "${user}"`,
          ]
        : [
            `id eq "${group}"`,
            `members.value eq "${user}"`,
            `members[value eq "${user}"]`,
            `displayName eq "team ${n}"`,
            `not (id eq "${group}")`,
            `externalId eq "x-${n}"`,
          ];
    return forms[form] ?? '';
  }

  #body({ kind, n, named }: Step): Record<string, unknown> {
    const [first] = named;
    if (kind === 'Groups') {
      return {
        schemas: [GROUP],
        displayName: `team ${n}`,
        externalId: `x-${n}`,
        members: named.map((each) => ({ value: this.#id('Users', each) })),
      };
    }
    const manager = first === undefined ? {} : { [ENTERPRISE]: { manager: { value: this.#id('Users', first) } } };
    return person(`p${n}`, { title: this.#mark, ...manager });
  }

  #patch({ kind, named, form, n, target }: Step): Record<string, unknown> {
    const values = named.map((each) => ({ value: this.#id('Users', each) }));
    const [first = target] = named;
    if (kind === 'Users') {
      const operations = [
        { op: 'replace', path: 'active', value: false },
        { op: 'replace', path: 'active', value: true },
        { op: 'replace', path: `${ENTERPRISE}:manager.value`, value: this.#id('Users', first) },
        { op: 'replace', path: 'title', value: `${this.#mark} ${n}` },
        { op: 'replace', value: { id: this.#id('Users', target), title: this.#mark } },
        { op: 'add', path: 'groups', value: [{ value: this.#id('Groups', first) }] },
      ];
      return patchOf(operations[form] ?? {});
    }
    const operations = [
      { op: 'add', path: 'members', value: values },
      { op: 'remove', path: 'members', value: values },
      { op: 'replace', path: 'members', value: values },
      { op: 'remove', path: `members[value eq "${this.#id('Users', first)}"]` },
      { op: 'replace', value: { id: this.#id('Groups', target), displayName: `team ${n}` } },
      { op: 'add', value: { members: values } },
    ];
    return patchOf(operations[form] ?? {});
  }

  #bulk(step: Step): Record<string, unknown> {
    const { kind, target } = step;
    const [user, group] = [this.#id('Users', target), this.#id('Groups', target)];
    const version = step.version === undefined ? {} : { version: this.#version(step.version) };
    const Operations = [
      { method: 'POST', path: '/Groups', bulkId: 'g', data: { ...this.#body({ ...step, kind: 'Groups' }) } },
      { method: 'PATCH', path: `/Users/${user}`, data: this.#patch({ ...step, kind: 'Users' }), ...version },
      { method: 'PUT', path: `/Users/${user}`, data: this.#body({ ...step, kind: 'Users' }), ...version },
      { method: 'DELETE', path: `/${kind}/${kind === 'Users' ? user : group}`, ...version },
      { method: 'PATCH', path: `/Groups/${group}`, data: patchOf({ op: 'add', path: 'members', value: [{ value: user }] }) },
    ].filter((_operation, at) => (step.form + at) % 2 === 0);
    return { schemas: [BULK], Operations };
  }

  #id(kind: Kind, { whose, index }: Slot): string {
    const known = whose === 'own' ? this.own.ids[kind] : whose === 'theirs' ? this.theirs.ids[kind] : [];
    return known[index % Math.max(1, known.length)] ?? `00000000-0000-4000-8000-00000000000${index}`;
  }

  #version({ whose, index }: Slot): string {
    const known = whose === 'own' ? this.own.versions : this.theirs.versions;
    return known[index % Math.max(1, known.length)] ?? 'W/"77"';
  }

  #learn({ kind }: Step, method: string, { status, body }: ScimAnswer): void {
    const remember = (resource: Record<string, unknown>): void => {
      const { id, meta } = resource as { id?: string; meta?: { resourceType?: string; version?: string } };
      const known = this.own.ids[meta?.resourceType === 'Group' ? 'Groups' : 'Users'];
      if (id !== undefined && meta?.resourceType !== undefined && !known.includes(id)) known.push(id);
      if (meta?.version !== undefined && !this.own.versions.includes(meta.version)) this.own.versions.push(meta.version);
    };
    if (status === 201) remember(body);
    if (typeof body.nextCursor === 'string') this.own.cursors.push(body.nextCursor);
    for (const row of (body.Operations ?? []) as { location?: string; status?: string }[]) {
      const [, where = kind, id = ''] = /\/(Users|Groups)\/([0-9a-f-]{36})$/.exec(row.location ?? '') ?? [];
      const known = this.own.ids[where as Kind];
      if (row.status === '201' && method === 'POST' && id !== '' && !known.includes(id)) known.push(id);
    }
  }

  #text({ status, headers, body }: ScimAnswer): string {
    const {
      etag,
      location,
      'content-location': at,
      'content-type': type,
      'www-authenticate': scheme,
      'retry-after': retry,
      allow,
    } = headers;
    const names = Object.keys(headers).toSorted();
    return this.#plain(JSON.stringify({ status, names, etag, location, at, type, scheme, retry, allow, body }, inOrder));
  }

  /** Takes out what differs by chance. */
  #plain(text: string): string {
    let plain = text;
    for (const [who, known] of [
      ['own', this.own],
      ['theirs', this.theirs],
    ] as const) {
      for (const kind of ['Users', 'Groups'] as const)
        known.ids[kind].forEach((id, index) => {
          plain = plain.replaceAll(id, `<${who} ${kind} ${index}>`);
        });
      for (const cursor of known.cursors) plain = plain.replaceAll(cursor, '<cursor>');
    }
    return sorted(
      plain
        .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, '<moment>')
        .replaceAll(/(W\/\\*"\d+)-[0-9a-f]{8}/g, '$1-<hash>'),
    );
  }
}

/** The groups of a person stand in the order of their ids, which are random. */
function inOrder(_key: string, value: unknown): unknown {
  return value;
}

function sorted(text: string): string {
  return text.replaceAll(/"groups":\[([^\]]*)\]/g, (_all, inside: string) => {
    const rows = inside.split(/(?<=\}),(?=\{)/).toSorted();
    return `"groups":[${rows.join(',')}]`;
  });
}

/** Stands for as much as somebody else knows, of the same shapes, none of it ever true. */
export function neverWere(known: Known): Known {
  const other = (id: string): string => `${randomUUID().slice(0, 14)}${id.slice(14, 19)}${randomUUID().slice(19)}`;
  return {
    ids: { Users: known.ids.Users.map(other), Groups: known.ids.Groups.map(other) },
    versions: [...known.versions],
    cursors: known.cursors.map((cursor) =>
      Buffer.from(Buffer.from(cursor, 'base64url').map((byte) => byte ^ 0x5a)).toString('base64url'),
    ),
  };
}
