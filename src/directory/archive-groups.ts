/**
 * Owns groups in an export and their way back: whole, with the people in them, in as many rows as keep a line short. Refuses to bring in people:
 * they come in rows of their own, before (archive.ts), so that a membership can only be that of somebody who is here.
 */
import { RedisScript } from '../redis-script.ts';
import type { AuditEntry } from './audit.ts';
import { decodeGroup, labelOf } from './group-record.ts';
import { SCHEMA_VERSION } from './record.ts';
import type { Store } from './store.ts';

const importScript = new RedisScript(new URL('./import-group.lua', import.meta.url));

const PAGE = 20;
/** Ids in one row: about 20 KB. */
const MEMBERS_IN_ROW = 500;

export interface GroupRow {
  kind: 'group';
  /** The fields of the group, as stored. */
  f: Record<string, string>;
  order?: number;
  /** What people know it by, as stored. */
  label: string;
  members: string[];
  /** Rows with more members follow. */
  more: boolean;
}

export interface MembersRow {
  kind: 'members';
  id: string;
  gen: string;
  members: string[];
  more: boolean;
}

/** One page of groups. @param cursor '0' to begin; '0' in the answer: that was all */
export async function groupRows(store: Store, cursor: string): Promise<{ next: string; rows: (GroupRow | MembersRow)[] }> {
  const { redis, prefix } = store;
  const [next, flat] = await store.guard(() => redis.hscan(`${prefix}groupLabels`, cursor, 'COUNT', PAGE));
  const ids = [...new Set(flat.filter((_text, at) => at % 2 === 0))];
  // One group at a time, whole: a change between two of these commands would tear its rows apart.
  const whole = await store.guard(() =>
    Promise.all(
      ids.map(async (id) => {
        const transaction = redis.multi().hgetall(`${prefix}group:${id}`).zscore(`${prefix}groupOrder`, id);
        const replies = (await transaction.zrange(`${prefix}members:${id}`, '0', '-1').exec()) ?? [];
        return replies.map(([, value]) => value) as [Record<string, string>, string | null, string[]];
      }),
    ),
  );
  return { next, rows: whole.flatMap(([fields, order, members]) => rowsOf(fields, order, members)) };
}

function rowsOf(f: Record<string, string>, order: string | null, members: readonly string[]): (GroupRow | MembersRow)[] {
  const record = decodeGroup(f);
  if (record === undefined) return [];
  const { id } = record;
  const pieces = Array.from({ length: Math.ceil(members.length / MEMBERS_IN_ROW) }, (_, at) =>
    members.slice(at * MEMBERS_IN_ROW, (at + 1) * MEMBERS_IN_ROW),
  );
  const [first = [], ...others] = pieces;
  const head: GroupRow = {
    kind: 'group',
    f,
    ...(order === null ? {} : { order: Number(order) }),
    label: JSON.stringify(labelOf(record.attributes)),
    members: first,
    more: others.length > 0,
  };
  const rest = others.map((piece, at): MembersRow => {
    return { kind: 'members', id, gen: f.gen ?? '', members: piece, more: at + 1 < others.length };
  });
  return [head, ...rest];
}

/** Put one row into the directory; what is here and as new stays. */
export async function putGroupRow(store: Store, row: GroupRow | MembersRow, audit: AuditEntry): Promise<string> {
  const words = [JSON.stringify(row), SCHEMA_VERSION, JSON.stringify(audit)];
  return String(await store.guard(() => importScript.run(store.redis, store.prefix, ...words)));
}
