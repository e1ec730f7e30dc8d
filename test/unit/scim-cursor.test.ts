/** Guards cursors: opaque, unforgeable, good for one query alone, and only for a while. RFC 9865. */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { CURSOR_TIMEOUT_SECONDS, openCursor, type Position, type Seal, sealCursor } from '../../src/scim/cursor.ts';

const SEAL: Seal = { key: randomBytes(32), epoch: 'e1', nowMs: 1_000_000 };
const QUERY = '["User"]';
const refused = (run: () => unknown, scimType: string): void => {
  expect(run).toThrow(expect.objectContaining({ status: 400, scimType }));
};

describe('a cursor', () => {
  test.each<[string, Position]>([
    ['a place', { list: 0, sequence: 41 }],
    ['a place in an order', { list: 1, sequence: 7, key: 'änn "Lee"\n' }],
    ['a place among numbers', { list: 0, sequence: 7, key: 1_700_000_000_000 }],
    ['the longest key', { list: 0, sequence: 9, key: '界'.repeat(256) }],
  ])('gives back %s', (_, position) => {
    const cursor = sealCursor(position, QUERY, SEAL);
    expect(cursor).toMatch(/^[A-Za-z0-9._~-]+$/);
    expect(openCursor(cursor, QUERY, SEAL)).toEqual(position);
  });

  test('shows nothing of what it holds, and is never the same twice', () => {
    const make = () => sealCursor({ list: 0, sequence: 1, key: 'jane@example.com' }, QUERY, SEAL);
    expect(Buffer.from(make(), 'base64url').toString('latin1')).not.toContain('jane');
    expect(make()).not.toBe(make());
  });

  test('of another query, another site or another mind is invalid', () => {
    const cursor = sealCursor({ list: 0, sequence: 1 }, QUERY, SEAL);
    refused(() => openCursor(cursor, '["Group"]', SEAL), 'invalidCursor');
    refused(() => openCursor(cursor, QUERY, { ...SEAL, key: randomBytes(32) }), 'invalidCursor');
    for (const forged of [
      'x',
      '',
      ' ',
      'a b',
      '%',
      '..',
      cursor.slice(0, -1),
      `${cursor}A`,
      `${cursor.startsWith('A') ? 'B' : 'A'}${cursor.slice(1)}`,
      'A'.repeat(5_000),
    ])
      refused(() => openCursor(forged, QUERY, SEAL), 'invalidCursor');
  });

  test('whatever single character is changed, it is invalid', () => {
    const cursor = sealCursor({ list: 0, sequence: 1 }, QUERY, SEAL);
    for (let at = 0; at < cursor.length; at += 1) {
      const other = cursor[at] === 'A' ? 'B' : 'A';
      refused(() => openCursor(cursor.slice(0, at) + other + cursor.slice(at + 1), QUERY, SEAL), 'invalidCursor');
    }
  });

  test('expires with time, and with the data it is about', () => {
    const cursor = sealCursor({ list: 0, sequence: 1 }, QUERY, SEAL);
    const lastMs = SEAL.nowMs + CURSOR_TIMEOUT_SECONDS * 1_000;
    expect(openCursor(cursor, QUERY, { ...SEAL, nowMs: lastMs })).toEqual({ list: 0, sequence: 1 });
    refused(() => openCursor(cursor, QUERY, { ...SEAL, nowMs: lastMs + 1 }), 'expiredCursor');
    refused(() => openCursor(cursor, QUERY, { ...SEAL, epoch: 'e2' }), 'expiredCursor');
  });
});
