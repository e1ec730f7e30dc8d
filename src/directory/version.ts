/**
 * Owns the version of a person as clients see it: the ETag header and `meta.version` (RFC 7644 §3.14). Weak, because it stands for what is told,
 * not for the bytes. The generation counts every change of a person; the groups they are in are told with them and change without it, so those
 * enter as a digest. Refuses to compare versions (http/etag.ts) and to guard commits, which are decided on the generation alone.
 */
import { createHash } from 'node:crypto';
import type { UserRecord } from './record.ts';

/** What people's groups are called, by group id. */
export type GroupNames = ReadonlyMap<string, { displayName: string }>;

const DIGEST_LENGTH = 8;

export function versionOf(record: UserRecord, names: GroupNames): string {
  const groups = (record.groups ?? []).flatMap((id) => {
    const name = names.get(id)?.displayName;
    return name === undefined ? [] : [[id, name]];
  });
  if (groups.length === 0) return `W/"${record.generation}"`;
  const digest = createHash('sha256').update(JSON.stringify(groups), 'utf8').digest('hex').slice(0, DIGEST_LENGTH);
  return `W/"${record.generation}-${digest}"`;
}
