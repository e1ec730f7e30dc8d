/**
 * Runs the benchmarks one after another and prints figures and ratios of one run: `npm run bench`.
 * Ratios are what counts; the absolute figures belong to the machine they were measured on.
 */
import { benchBudget } from './budget.ts';
import { benchEdge } from './edge.ts';

await benchEdge();
await benchBudget();
