/**
 * Owns how the demo asks the service what an operator would ask: the ops API over HTTP, with the token that it prints.
 * Refuses every shortcut into the service: what is shown here, `maxio-scim` would show.
 */
import { TOKENS } from './tokens.ts';

export interface SurveyAnswer {
  state: 'never' | 'wanted' | 'running' | 'done';
  customers: number;
  subscriptions: number;
  calls: number;
  unreferenced: number | null;
}

export interface PlanAnswer {
  people: number;
  counts: Record<string, number>;
}

export type AskOps = <T>(path: string) => Promise<T>;

const PATIENCE_MS = 60_000;

/** Makes the function that asks. @param address of the service, without a trailing slash */
export function createAskOps(address: string): AskOps {
  return async <T>(path: string) => {
    const answer = await fetch(`${address}/ops/api${path}`, {
      headers: { authorization: `Bearer ${TOKENS.ops}` },
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`the ops API answered ${answer.status} to ${path}: ${text}`);
    return JSON.parse(text) as T;
  };
}
