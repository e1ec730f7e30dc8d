/**
 * Measures the SCIM edge in one process against a real Redis with `appendfsync always`: operations per second at 16 connections, the ratio to a bare
 * durable SET of the same run, and Redis round trips per operation counted from the server's own statistics. Asserts nothing.
 */

import { GroupStore } from '../../src/directory/group-store.ts';
import { createGroups } from '../../src/directory/groups.ts';
import { Store } from '../../src/directory/store.ts';
import { createUsers } from '../../src/directory/users.ts';
import { createServer } from '../../src/http/server.ts';
import { createLogger } from '../../src/logger.ts';
import { redisReady } from '../../src/redis.ts';
import { Secret } from '../../src/secret.ts';
import { createTelemetry } from '../../src/telemetry.ts';
import { NO_GUARD } from '../support/guard.ts';
import { oktaUser, patch, person } from '../support/people.ts';
import { startRedis } from '../support/redis.ts';

const TOKEN = 'bench-scim-token-93ac71f0';
const CONNECTIONS = 16;

interface Row {
  what: string;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  commands: number;
}

export async function benchEdge(people = 2_000): Promise<void> {
  const redis = await startRedis({ appendfsync: 'always' });
  const commands = redis.connect();
  await redisReady(commands);
  const store = new Store(commands, 'us.bench', { backlogLimit: 1_000_000, guard: NO_GUARD });
  const users = createUsers({ store, site: { region: 'us', subdomain: 'bench' }, onCommitted: () => {} });
  const groups = createGroups({ store: new GroupStore(store) });
  const server = createServer({
    config: { publicUrl: 'http://localhost' },
    logger: createLogger({ level: 'silent' }),
    telemetry: createTelemetry({ version: 'bench', processMetrics: false }),
    sites: [{ key: 'us.bench', idp: 'okta', token: new Secret(TOKEN), users, groups, accepting: () => ({ ok: true }) }],
  });
  const url = await server.listen({ port: 0, host: '127.0.0.1' });
  const ids: string[] = [];
  const scim = async (method: string, path: string, body?: unknown): Promise<Record<string, unknown>> => {
    const response = await fetch(`${url}/scim/v2${path}`, {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/scim+json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (response.status >= 300) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Record<string, unknown>;
  };
  const processed = async (): Promise<number> => Number(/total_commands_processed:(\d+)/.exec(await commands.info('stats'))?.[1]);

  async function measure(what: string, count: number, one: (n: number) => Promise<unknown>): Promise<Row> {
    const before = await processed();
    const tookMs: number[] = [];
    const startedMs = performance.now();
    let n = 0;
    const lane = async (): Promise<void> => {
      while (n < count) {
        n += 1;
        const atMs = performance.now();
        await one(n);
        tookMs.push(performance.now() - atMs);
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, lane));
    const perSecond = count / ((performance.now() - startedMs) / 1_000);
    tookMs.sort((a, b) => a - b);
    const at = (share: number): number => tookMs[Math.floor(tookMs.length * share)] ?? 0;
    return { what, perSecond, p50Ms: at(0.5), p99Ms: at(0.99), commands: ((await processed()) - before - 1) / count };
  }

  const idOf = (n: number): string => ids[n % ids.length] ?? '';
  const rows = [
    await measure('bare durable SET', people, (n) => commands.set(`bare:${n}`, 'x'.repeat(900))),
    await measure('POST /Users', people, async (n) => ids.push(String((await scim('POST', '/Users', oktaUser(person(n)))).id))),
    await measure('GET /Users/{id}', people, (n) => scim('GET', `/Users/${idOf(n)}`)),
    await measure('filter userName eq', people, (n) =>
      scim('GET', `/Users?filter=${encodeURIComponent(`userName eq "${person((n % people) + 1).userName}"`)}`),
    ),
    await measure('PATCH title', people, (n) =>
      scim('PATCH', `/Users/${idOf(n)}`, patch({ op: 'replace', path: 'title', value: `T${n}` })),
    ),
    await measure('list of 100', Math.ceil(people / 10), (n) => scim('GET', `/Users?startIndex=${1 + (n % 10) * 100}&count=100`)),
  ];
  const base = rows[0]?.perSecond ?? 1;
  console.log(`SCIM edge, ${people} people, ${CONNECTIONS} connections, client and server on the same cores`);
  console.log('operation            per s    of a bare SET    p50 ms    p99 ms    Redis commands each, inside scripts included');
  for (const row of rows) {
    const cells = [
      row.perSecond.toFixed(0).padStart(8),
      `${((100 * row.perSecond) / base).toFixed(0)} %`.padStart(16),
      row.p50Ms.toFixed(1).padStart(10),
    ];
    console.log(
      `${row.what.padEnd(18)} ${cells.join('')}${row.p99Ms.toFixed(1).padStart(10)}${row.commands.toFixed(1).padStart(12)}`,
    );
  }
  await server.close();
  await redis.stop();
}
