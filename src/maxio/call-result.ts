/**
 * Owns the translation of a Maxio call's end into what the budget must learn from it: whether the slot is free and how the site fares.
 * Refuses to know the budget's rules and the worker's plans.
 */
import { MaxioError } from './error.ts';

/**
 * | result | slot | says about the site |
 * |---|---|---|
 * | answered | free | it works |
 * | unsent | free | nothing: the call was dropped on our side before a byte left |
 * | throttled | free | pause |
 * | unauthorized | free | pause, the key may be wrong |
 * | failed | free | a failure: 5xx, a proxy's page, an account block, or no connection at all |
 * | unknown | taken until the call can no longer be at work | a failure |
 */
export type CallResult = 'answered' | 'unsent' | 'throttled' | 'unauthorized' | 'failed' | 'unknown';

/** Says how a slot must be released after a call that threw; pass `undefined` for a call that succeeded. */
export function callResult(err: unknown): CallResult {
  if (err === undefined) return 'answered';
  // Anything else is a mistake of ours, made before or after sending: assume the worse.
  if (!(err instanceof MaxioError)) return 'unknown';
  if (!err.sent) return err.aborted ? 'unsent' : 'failed';
  if (!err.answered) return 'unknown';
  switch (err.kind) {
    case 'throttled':
    case 'unauthorized':
      return err.kind;
    case 'missing':
    case 'rejected':
    case 'duplicate':
      return 'answered';
    case 'blocked':
    case 'unavailable':
    case 'ambiguous':
      return 'failed';
  }
}
