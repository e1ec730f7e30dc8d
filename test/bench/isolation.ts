/**
 * Measures whether the time of an answer tells that an id exists at another site: reads, filters and deletions of such ids and of ids that never were, in turn,
 * over the real edge and a real Redis. Asserts nothing: that both take the same way is shown by their commands (test/property/isolation.test.ts).
 */
import { randomUUID } from 'node:crypto';
import { startRedis } from '../support/redis.ts';
import { ask, openSite, person, serveSites } from '../support/scim-server.ts';

/** Pairs before the first that counts. */
const WARM_UP = 200;

/** @returns one row for each question: median times in microseconds, and their ratio */
export async function benchIsolation(pairs = 1_500): Promise<Record<string, string | number>[]> {
  const redis = await startRedis({ appendfsync: 'no' });
  const commands = redis.connect();
  const [mine, theirs] = [openSite(commands), openSite(commands)];
  const server = await serveSites([mine, theirs]);
  const ids: string[] = [];
  for (let n = 0; n < 100; n += 1) {
    const made = await ask({ app: server.app, token: theirs.token }, 'POST', '/scim/v2/Users', person(`p${n}`));
    ids.push(String(made.body.id));
  }
  const never = ids.map(() => randomUUID());
  const questions: [string, 'GET' | 'DELETE', (id: string) => string][] = [
    ['GET /Users/{id}', 'GET', (id) => `/scim/v2/Users/${id}`],
    ['GET /Groups/{id}', 'GET', (id) => `/scim/v2/Groups/${id}`],
    ['DELETE /Users/{id}', 'DELETE', (id) => `/scim/v2/Users/${id}`],
    ['filter id eq', 'GET', (id) => `/scim/v2/Users?filter=${encodeURIComponent(`id eq "${id}"`)}`],
  ];
  const rows: Record<string, string | number>[] = [];
  for (const [question, method, path] of questions) {
    const tookMs: Record<'foreign' | 'unknown', number[]> = { foreign: [], unknown: [] };
    for (let n = 0; n < pairs; n += 1) {
      // Turn and turn about, and each first as often as the other.
      for (const which of n % 2 === 0 ? (['foreign', 'unknown'] as const) : (['unknown', 'foreign'] as const)) {
        const id = (which === 'foreign' ? ids : never)[n % ids.length] ?? '';
        const atMs = performance.now();
        await ask({ app: server.app, token: mine.token }, method, path(id));
        if (n >= WARM_UP) tookMs[which].push(performance.now() - atMs);
      }
    }
    const [foreign, unknown] = [median(tookMs.foreign), median(tookMs.unknown)];
    rows.push({
      question,
      'of another site, µs': Math.round(foreign * 1_000),
      'never was, µs': Math.round(unknown * 1_000),
      ratio: (foreign / unknown).toFixed(3),
    });
  }
  await server.app.close();
  await redis.stop();
  return rows;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
