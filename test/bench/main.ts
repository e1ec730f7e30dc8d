/**
 * Runs the benchmarks one after another and prints figures and ratios of one run: `npm run bench`.
 * Ratios are what counts; the absolute figures belong to the machine they were measured on.
 */
import { benchBudget } from './budget.ts';
import { benchEdge } from './edge.ts';
import { benchFilters } from './filters.ts';
import { benchGroups } from './groups.ts';
import { benchIsolation } from './isolation.ts';

await benchEdge();
await benchBudget();
console.table(benchFilters());
console.table(await benchGroups());
console.table(await benchIsolation());
