/**
 * Owns when the data of a site was last found lost or set back: who was heard of before that may be otherwise by now, and nobody here knows it.
 * Refuses to notice it (witness.ts) and to say what follows from it.
 */
import type { Store } from './store.ts';

/** Of the site. Data that was never lost has an epoch too: it began with the first contact. */
export const LOSS_FIELDS = ['began', 'epochAtMs'] as const;

/** @returns Redis TIME; `undefined` where nothing was ever lost */
export function lossOf([began, epochAtMs]: (string | null)[]): number | undefined {
  return began ? Number(epochAtMs) : undefined;
}

export async function dataLossAtMs(store: Store): Promise<number | undefined> {
  return lossOf(await store.guard(() => store.redis.hmget(`${store.prefix}site`, ...LOSS_FIELDS)));
}
