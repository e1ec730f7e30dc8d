/**
 * Measures what the budget costs at real size: a nearly full window of 10,000 calls in an hour, one connection, one private Redis.
 * Prints medians and tails of granting, releasing and refusing, and the memory of one site. Run: `npx node test/bench/budget.ts`.
 */
import { Budget, budgetKeys } from '../../src/maxio/budget.ts';
import { startRedis } from '../support/redis.ts';

const ROUNDS = 2_000;

export interface BudgetFigures {
  grantP50Ms: number;
  grantP99Ms: number;
  releaseP50Ms: number;
  refusalP50Ms: number;
  refusalP99Ms: number;
  bytesPerSite: number;
}

function quantile(sorted: number[], share: number): number {
  return Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(3));
}

async function timed(rounds: number, run: () => Promise<unknown>): Promise<number[]> {
  const took: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const startedMs = performance.now();
    await run();
    took.push(performance.now() - startedMs);
  }
  return took.sort((a, b) => a - b);
}

/** Fills an hour evenly on a clock of its own, then measures at its end. */
export async function benchBudget(): Promise<BudgetFigures> {
  const server = await startRedis({ appendfsync: 'no' });
  try {
    const redis = server.connect();
    const prefix = 'scim:{us.bench}:';
    let nowMs = 1_790_000_000_000;
    const limits = { callsPerWindow: 10_000, windowSeconds: 3_600, concurrency: 4, unknownOutcomeSeconds: 130 };
    const budget = new Budget(redis, prefix, limits, { nowMs: () => nowMs });
    const slots: string[] = [];
    const take = async (): Promise<void> => {
      const answer = await budget.take({ lane: 'urgent' });
      if (answer.granted) slots.push(answer.slot);
    };
    const release = async (): Promise<void> => budget.release(slots.pop() ?? '', 'answered');
    const grants: number[] = [];
    const releases: number[] = [];
    for (let i = 0; i < 9_996; i++) {
      nowMs += 350;
      const measured = i >= 9_996 - ROUNDS;
      const [took = 0] = await timed(1, take);
      const [gaveBack = 0] = await timed(1, release);
      if (measured) {
        grants.push(took);
        releases.push(gaveBack);
      }
    }
    const refusals = await timed(ROUNDS, take);
    grants.sort((a, b) => a - b);
    releases.sort((a, b) => a - b);
    let bytesPerSite = 0;
    for (const key of Object.values(budgetKeys(prefix))) bytesPerSite += (await redis.memory('USAGE', key)) ?? 0;
    return {
      grantP50Ms: quantile(grants, 0.5),
      grantP99Ms: quantile(grants, 0.99),
      releaseP50Ms: quantile(releases, 0.5),
      refusalP50Ms: quantile(refusals, 0.5),
      refusalP99Ms: quantile(refusals, 0.99),
      bytesPerSite,
    };
  } finally {
    await server.stop();
  }
}

if (import.meta.main) console.table(await benchBudget());
