/**
 * Owns the cursor of RFC 9865: where the next page begins, as a text that a client can only give back.
 * Nothing is kept for a cursor: any replica can go on where another one stopped, and a client that never comes back leaves nothing behind.
 * So the text carries the position, and since a position may hold a person's name and stands in URLs and logs, it is encrypted, and
 * bound to the filter and the order it was made for (AES-256-GCM; the query is what it authenticates besides). Refuses to keep the key.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { ScimError } from './error.ts';
import type { SortKey } from './sort.ts';

/** How long after a page the next one may be asked for. Told in ServiceProviderConfig. */
export const CURSOR_TIMEOUT_SECONDS = 3_600;

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const TEXT_LENGTH_MAX = 4_096;

/** The last resource of a page: the next page begins after it. */
export interface Position {
  /** Which of the lists that are searched. */
  list: number;
  /** Place in the order of creation. */
  sequence: number;
  key?: SortKey;
}

/** What cursors of a site are sealed with at this moment. */
export interface Seal {
  key: Buffer;
  /** Names the data that sequence numbers are about; they mean nothing in any other. */
  epoch: string;
  nowMs: number;
}

/** Makes the cursor for the page after a position. `identity` is the query without its page. */
export function sealCursor(position: Position, identity: string, seal: Seal): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, seal.key, nonce, { authTagLength: TAG_BYTES }).setAAD(digestOf(identity));
  const text = JSON.stringify([position.list, position.sequence, seal.nowMs, seal.epoch, position.key ?? null]);
  return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64url');
}

/** Reads a cursor. Throws ScimError 400 invalidCursor for one that is not ours or belongs to another query, and expiredCursor. */
export function openCursor(cursor: string, identity: string, seal: Seal): Position {
  const [list, sequence, atMs, epoch, key] = decrypt(cursor, identity, seal);
  if (epoch !== seal.epoch || seal.nowMs - atMs > CURSOR_TIMEOUT_SECONDS * 1_000) {
    throw new ScimError(400, 'The cursor has expired. Begin again with an empty cursor.', 'expiredCursor');
  }
  return { list, sequence, ...(key === null ? {} : { key }) };
}

function decrypt(cursor: string, identity: string, seal: Seal): [number, number, number, string, string | number | null] {
  try {
    const bytes = Buffer.from(cursor.slice(0, TEXT_LENGTH_MAX), 'base64url');
    // Decoding forgives what encoding never makes.
    if (bytes.toString('base64url') !== cursor) throw new Error('not one of ours');
    const end = bytes.length - TAG_BYTES;
    const decipher = createDecipheriv(ALGORITHM, seal.key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
      .setAAD(digestOf(identity))
      .setAuthTag(bytes.subarray(end));
    const text = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, end)), decipher.final()]).toString('utf8');
    return JSON.parse(text) as [number, number, number, string, string | number | null];
  } catch {
    // No cause: whatever was wrong with it, the client can only begin again.
    throw new ScimError(
      400,
      'The cursor is not one of ours, or was made for another filter or order. Begin again with an empty cursor.',
      'invalidCursor',
    );
  }
}

function digestOf(identity: string): Buffer {
  return createHash('sha256').update(identity, 'utf8').digest();
}
