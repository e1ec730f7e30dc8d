/**
 * Owns walking through people in pages, everybody or those whose change has not settled, so that memory stays bounded however many there are.
 * Everybody includes tombstones: who has left and still is billed is found nowhere else. Nobody comes twice.
 */
import type { UserRecord } from '../directory/record.ts';
import type { Store } from '../directory/store.ts';

const PAGE = 200;

/** People with something left to do or to decide. */
const UNSETTLED = ['dirty', 'parked', 'held'] as const;

/** Walk through people, a page of records at a time. */
export async function* peoplePages(store: Store, who: 'everyone' | 'unsettled'): AsyncGenerator<UserRecord[]> {
  const seen = new Set<string>();
  const ids = who === 'everyone' ? everyone(store) : unsettled(store);
  for await (const page of ids) {
    const fresh = [...new Set(page)].filter((id) => !seen.has(id));
    for (const id of fresh) seen.add(id);
    for (let at = 0; at < fresh.length; at += PAGE) yield await store.readAll(fresh.slice(at, at + PAGE));
  }
}

/** The references keep everyone who ever was here. */
async function* everyone(store: Store): AsyncGenerator<string[]> {
  let cursor = '0';
  do {
    const [next, flat] = await store.guard(() => store.redis.hscan(`${store.prefix}references`, cursor, 'COUNT', PAGE));
    cursor = next;
    yield flat.filter((_text, at) => at % 2 === 1);
  } while (cursor !== '0');
}

async function* unsettled(store: Store): AsyncGenerator<string[]> {
  for (const list of UNSETTLED) yield await store.guard(() => store.redis.zrange(store.prefix + list, '0', '-1'));
}
