/**
 * Measures what changes of large groups cost Redis: how long each script keeps it from answering anybody else, by its own count of the commands.
 * Ratios tell whether the cost stays in line with the number of people; see main.ts. Run: `npx node test/bench/groups.ts`.
 */
import { GroupStore, MEMBERS_MAX } from '../../src/directory/group-store.ts';
import { createGroups } from '../../src/directory/groups.ts';
import { Store } from '../../src/directory/store.ts';
import { createUsers } from '../../src/directory/users.ts';
import { NO_GUARD } from '../support/guard.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const CONTEXT = { requestId: 'bench', actor: 'bench' };
const AT_ONCE = 200;

interface GroupFigures {
  members: number;
  /** As many plain writes in one script: what everything else is to be compared with on this machine. */
  writesMs: number;
  addedMs: number;
  timesWrites: number;
  oneMoreMs: number;
  replacedMs: number;
  removedMs: number;
}

const patchOf = (op: string, value: { value: string }[]) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: [{ op, path: 'members', value }],
});

/** The time that Redis itself counts for scripts while something runs. */
async function scriptMs(server: TestRedis, run: () => Promise<unknown>): Promise<number> {
  const redis = server.connect();
  await redis.config('RESETSTAT');
  await run();
  const stats = await redis.info('commandstats');
  const usec = [...stats.matchAll(/cmdstat_eval(?:sha)?:calls=\d+,usec=(\d+)/g)].reduce((sum, [, each]) => sum + Number(each), 0);
  redis.disconnect();
  return Number((usec / 1_000).toFixed(1));
}

/** Fills, touches and empties groups of different sizes, all of the same people. */
export async function benchGroups(): Promise<GroupFigures[]> {
  const server = await startRedis({ appendfsync: 'no' });
  try {
    const store = new Store(server.connect(), 'us.bench', { backlogLimit: 1_000_000, guard: NO_GUARD });
    const users = createUsers({ store, site: { region: 'us', subdomain: 'bench' }, onCommitted: () => {} });
    const groups = createGroups({ store: new GroupStore(store) });
    const ids: string[] = [];
    for (let first = 0; first <= MEMBERS_MAX; first += AT_ONCE) {
      const some = Array.from({ length: AT_ONCE }, (_, n) => users.create({ userName: `person${first + n}` }, CONTEXT));
      ids.push(...(await Promise.all(some)).map(({ id }) => id));
    }
    const figures: GroupFigures[] = [];
    for (const size of [500, 5_000, MEMBERS_MAX - 1]) {
      const people = ids.slice(0, size).map((value) => ({ value }));
      const last = { value: ids[size] ?? '' };
      const { id } = await groups.create({ displayName: `Group of ${size}` }, CONTEXT);
      const script = "for i = 1, ARGV[1] do redis.call('HSET', 'bench:' .. i, 'field', 'a value of no great length') end";
      const writesMs = await scriptMs(server, () => store.redis.eval(script, 0, size));
      const addedMs = await scriptMs(server, () => groups.patch(id, patchOf('add', people), CONTEXT));
      figures.push({
        members: size,
        writesMs,
        addedMs,
        timesWrites: Number((addedMs / writesMs).toFixed(2)),
        oneMoreMs: await scriptMs(server, () => groups.patch(id, patchOf('add', [last]), CONTEXT)),
        replacedMs: await scriptMs(server, () => groups.patch(id, patchOf('replace', people), CONTEXT)),
        removedMs: await scriptMs(server, () => groups.remove(id, CONTEXT)),
      });
    }
    return figures;
  } finally {
    await server.stop();
  }
}

if (import.meta.main) console.table(await benchGroups());
