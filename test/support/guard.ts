/** Owns the guard settings of tests that are about something else: nothing trips, nobody waits. */
import type { GuardLimits } from '../../src/config.ts';

export const NO_GUARD: GuardLimits = {
  floor: 1_000_000_000,
  hourPercent: 100,
  dayPercent: 100,
  revenuePercent: 100,
  calmSeconds: 0,
};
