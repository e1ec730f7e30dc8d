/**
 * Owns what the tests of the directory share: a site of its own on a real Redis, people by number, and the whole of a site's keys for comparison.
 * Refuses HTTP and Maxio. Every site key is used once, so no test sees another's people.
 */
import type { Redis } from 'ioredis';
import type { GuardLimits } from '../../src/config.ts';
import { GroupStore } from '../../src/directory/group-store.ts';
import { createGroups, type Groups } from '../../src/directory/groups.ts';
import type { UserRecord } from '../../src/directory/record.ts';
import { Runs } from '../../src/directory/runs.ts';
import type { Mode } from '../../src/directory/site-mode.ts';
import { type Change, Store } from '../../src/directory/store.ts';
import { createUsers, type Users, type WriteContext } from '../../src/directory/users.ts';
import { parseFilter } from '../../src/scim/filter.ts';
import type { JsonObject, UserAttributes } from '../../src/scim/types.ts';
import { NO_GUARD } from '../support/guard.ts';
import type { TestRedis } from '../support/redis.ts';

export const CONTEXT: WriteContext = { requestId: 'req-1', actor: 'token-1' };

export interface TestSite {
  key: string;
  redis: Redis;
  store: Store;
  runs: Runs;
  users: Users;
  groups: Groups;
  groupStore: GroupStore;
  /** What the bell was told, in order. */
  committed: UserRecord[];
  /** A second replica: the same site over a connection of its own. */
  replica(): TestSite;
}

let serial = 0;

export function openSite(
  server: TestRedis,
  options: {
    key?: string;
    backlogLimit?: number;
    leaseMs?: number;
    subdomain?: string;
    guard?: GuardLimits;
    mode?: Mode | null;
  } = {},
): TestSite {
  serial += 1;
  const key = options.key ?? `us.site${serial}`;
  const redis = server.connect();
  const store = new Store(redis, key, { backlogLimit: options.backlogLimit ?? 100_000, guard: options.guard ?? NO_GUARD });
  // Commands of one connection keep their order, so this is so before anything else of this site.
  if (options.mode !== null) void redis.hset(`${store.prefix}mode`, 'mode', options.mode ?? 'enforce');
  const committed: UserRecord[] = [];
  const groupStore = new GroupStore(store);
  return {
    key,
    redis,
    store,
    runs: new Runs(store, { leaseMs: options.leaseMs ?? 30_000 }),
    users: createUsers({
      store,
      site: { region: 'us', subdomain: options.subdomain ?? key },
      onCommitted: (record) => void committed.push(record),
    }),
    groups: createGroups({ store: groupStore }),
    groupStore,
    committed,
    replica: () => openSite(server, { ...options, key, subdomain: options.subdomain ?? key }),
  };
}

/** The body of a POST, as Okta or Entra would send it. */
export function body(n: number | string, change: JsonObject = {}): JsonObject {
  const userName = `person${n}@example.com`;
  return {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
    userName,
    externalId: `ext-${n}`,
    active: true,
    name: { givenName: 'Person', familyName: `No${n}` },
    emails: [{ value: userName, type: 'work', primary: true }],
    ...change,
  };
}

/** Without what `body` would add. */
export function without(from: JsonObject, ...names: string[]): JsonObject {
  return Object.fromEntries(Object.entries(from).filter(([name]) => !names.includes(name)));
}

export function patchOf(...operations: JsonObject[]): JsonObject {
  return { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations: operations };
}

/** A change for the store alone. */
export function changeOf(n: number | string, change: Partial<Change> & { attributes?: UserAttributes } = {}): Change {
  return {
    id: `id-${n}`,
    expected: 0,
    reference: `ref-${n}`,
    attributes: {
      userName: `person${n}@example.com`,
      active: true,
      externalId: `ext-${n}`,
      emails: [{ value: `person${n}@example.com` }],
    },
    deleted: false,
    requestId: 'req-1',
    audit: { kind: 'scim', what: 'create' },
    ...change,
  };
}

/** Everything Redis holds of a site, byte for byte. */
export async function dump(site: TestSite): Promise<Record<string, string>> {
  const names = (await site.redis.keys(`${site.store.prefix}*`)).sort();
  const all: Record<string, string> = {};
  for (const name of names) all[name] = (await site.redis.dumpBuffer(name))?.toString('base64') ?? '';
  return all;
}

/** The ids a filter finds. */
export async function find(
  site: TestSite,
  filter: string,
  page: { startIndex?: number; count?: number } = {},
): Promise<string[]> {
  const query = { filter: parseFilter(filter), startIndex: page.startIndex ?? 1, count: page.count ?? 100 };
  return (await site.users.list(query)).records.map(({ id }) => id);
}

/** The audit stream of a site, oldest first, as field maps. */
export async function auditOf(site: TestSite): Promise<Record<string, string>[]> {
  const rows = await site.redis.xrange(`${site.store.prefix}audit`, '-', '+');
  return rows.map(([id, fields]) => {
    const entry: Record<string, string> = { id };
    for (let at = 0; at + 1 < fields.length; at += 2) entry[String(fields[at])] = String(fields[at + 1]);
    return entry;
  });
}
