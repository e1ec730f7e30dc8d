/**
 * Owns how people are listed, searched and shown: the part of /Users that changes nothing. Refuses to know HTTP and to decide anything about people.
 * Nothing is told of half a directory, and that nobody is there is said only by data that is known to be the right one (witness.ts).
 */
import type { ListQuery, PageQuery, SearchQuery } from '../scim/list.ts';
import type { JsonObject } from '../scim/types.ts';
import { openBookmark } from './bookmark.ts';
import { readSeal } from './cursor-seal.ts';
import { GroupStore } from './group-store.ts';
import { type Asking, type ListPage, type ListParts, listResources } from './list-resources.ts';
import { namesFor, userShelf } from './list-users.ts';
import type { UserRecord } from './record.ts';
import type { Shelf, View } from './shelf.ts';
import type { Store } from './store.ts';
import { versionOf } from './version.ts';

export interface UserPage extends Omit<ListPage<UserRecord>, 'rows'> {
  records: UserRecord[];
}

export interface UserLists {
  list(query: ListQuery, asking?: Asking): Promise<UserPage>;
  /** People and whatever else is given, one after the other; selections and rows count the people first. */
  search(query: SearchQuery, others: readonly Shelf<{ id: string }>[], asking: Asking): Promise<ListPage<{ id: string }>>;
  /** People as answers show them, before projection; the groups they are in cost one look for all of them. */
  resources(records: readonly UserRecord[], view: View): Promise<JsonObject[]>;
}

export interface OpenLists extends UserLists {
  /** Tell the version of one person. */
  versionOf(record: UserRecord): Promise<string>;
}

/** What lists of a site are made with. */
export function listParts(store: Store, query: PageQuery, { baseUrl = '', actor, weigh }: Asking = {}): ListParts {
  const bookmark = openBookmark(store, actor, query.identity);
  return { query, baseUrl, weigh, seal: async () => await readSeal(store), ...(bookmark === undefined ? {} : { bookmark }) };
}

export function openUserLists(store: Store): OpenLists {
  const groups = new GroupStore(store);
  const readNames = async (ids: string[]) => await groups.labels(ids);
  const shelf = userShelf(store, readNames);

  async function listed<T extends { rows: unknown[] }>(list: () => Promise<T>): Promise<T> {
    store.witness.admit();
    const page = await list();
    if (page.rows.length === 0) {
      await store.guard(() => store.witness.look());
      store.witness.admit();
    }
    return page;
  }

  return {
    async list(query, asking) {
      const { filter, sort } = query;
      const source = { shelf, ...(filter === undefined ? {} : { filter }), ...(sort === undefined ? {} : { sort }) };
      const { rows, ...page } = await listed(() => listResources([source], listParts(store, query, asking)));
      return { ...page, records: rows.map(({ record }) => record) };
    },

    async search(query, others, asking) {
      const shelves: Shelf<{ id: string }>[] = [shelf, ...others];
      const sources = shelves.map((each, at) => ({ shelf: each, ...query.selections[at] }));
      return await listed(() => listResources(sources, listParts(store, query, asking)));
    },

    resources: async (records, view) => await shelf.resources([...records], view),

    versionOf: async (record) => versionOf(record, await namesFor([record], readNames)),
  };
}
