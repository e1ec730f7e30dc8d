/**
 * Owns the judgement which conditions hold in a situation, most pressing first. Pure. Refuses to decide whether anybody is told (notice-state.ts):
 * the operator page shows the same list, whether or not a channel is configured.
 */
import { maxioConditions } from './maxio-conditions.ts';
import { peopleConditions } from './people-conditions.ts';
import { setUpConditions } from './set-up-conditions.ts';
import type { Situation } from './situation.ts';
import { type Condition, TOPIC_NAMES } from './topics.ts';
import type { Wording } from './words.ts';

const PRESSING = { page: 0, warn: 1, info: 2 } as const;

/** Tell what somebody should know about a site. */
export function conditionsOf(situation: Situation, wording: Wording): Condition[] {
  const all = [
    ...peopleConditions(situation, wording),
    ...maxioConditions(situation, wording),
    ...setUpConditions(situation, wording),
  ];
  const rank = ({ severity, topic }: Condition): number => PRESSING[severity] * 100 + TOPIC_NAMES.indexOf(topic);
  return all.sort((a, b) => rank(a) - rank(b));
}
