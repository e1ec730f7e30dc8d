/**
 * Owns what an answer of Maxio, or its absence, proves: the only place where status codes and Maxio's texts are read.
 * Refuses to know what a caller will do about it. An answer that Maxio itself cannot have written (HTML of a proxy, a challenge
 * page, broken JSON) proves nothing, whatever its status. Source: developers.maxio.com "Error handling", and its live texts.
 */
import type { Call } from './calls.ts';
import { MaxioError } from './error.ts';
import { messagesOf } from './messages.ts';
import type { Answer, Unanswered } from './request.ts';

/** Whole-account refusals; Maxio sends them as 422 from any endpoint, a GET included. */
const ACCOUNT_BLOCKS = [
  /^your (chargify|maxio)\b.{0,40}\baccount has been cancell?ed/i,
  /^your trial has ended, please contact sales/i,
  /^site data clearing is in progress/i,
  /^this site has been deleted/i,
];

/**
 * Says what a call proves that brought no trustworthy answer: nothing happened (unsent, or only a read), or unknown.
 * A redirect of a write counts as unknown too: Maxio does not redirect, so who answered, and what it passed on, is anybody's guess.
 */
export function untrusted(call: Call, reason: string, answer?: { status: number }): MaxioError {
  const kind = call.method === 'GET' ? 'unavailable' : 'ambiguous';
  return new MaxioError({ kind, call: call.words, status: answer?.status, reason, sent: true, answered: true });
}

/** Says what a call proves that ended without a complete answer. */
export function unanswered(call: Call, fault: Unanswered): MaxioError {
  const kind = call.method === 'GET' || !fault.sent ? 'unavailable' : 'ambiguous';
  const { message: reason, status, sent, aborted, cause } = fault;
  return new MaxioError({ kind, call: call.words, status, reason, sent, answered: false, aborted, cause });
}

/** Reads Retry-After in its integer form only; a date would need a clock we share with nobody. */
function retryAfterMs(answer: Answer): number | undefined {
  const seconds = answer.retryAfter?.trim() ?? '';
  return /^\d{1,9}$/.test(seconds) ? Number(seconds) * 1_000 : undefined;
}

function isHtml(answer: Answer): boolean {
  return /^\uFEFF?\s*</.test(answer.body) || (answer.body.trim() !== '' && /\bhtml\b/i.test(answer.contentType));
}

/**
 * Turns every answer outside 2xx into the error that says what it proves; `undefined` for 2xx.
 * @param secrets texts that must not come back in Maxio's messages @param values what the request said about a person
 */
export function refusalOf(
  call: Call,
  answer: Answer,
  secrets: readonly string[],
  values: readonly string[] = [],
): MaxioError | undefined {
  const { status } = answer;
  if (status >= 200 && status < 300) return undefined;
  const refuse = (kind: MaxioError['kind'], words: { texts?: string[]; messages?: string[] } = {}): MaxioError =>
    new MaxioError({ kind, call: call.words, status, ...words, sent: true, answered: true, retryAfterMs: retryAfterMs(answer) });
  const said = () => ({ texts: messagesOf(answer.body, secrets), messages: messagesOf(answer.body, secrets, values) });

  if (status === 429) return refuse('throttled', isHtml(answer) ? {} : said());
  if (status === 401) return refuse('unauthorized');
  if (status < 400) return untrusted(call, 'redirect refused', answer);
  if (status >= 500 || status === 408) return untrusted(call, 'server failure', answer);
  // Maxio's own 404 has no body; before anything else, because some servers label even an empty body as HTML.
  if (status === 404 && answer.body.trim() === '') return refuse('missing');
  if (status === 404) return untrusted(call, 'a 404 that is not the one of Maxio', answer);
  if (isHtml(answer)) return untrusted(call, 'HTML instead of an answer', answer);
  if (status === 403) return refuse('unauthorized', said());

  const words = said();
  const { texts } = words;
  if (status === 422 && texts.some((text) => ACCOUNT_BLOCKS.some((block) => block.test(text)))) return refuse('blocked', words);
  if (status === 409 && texts.some((text) => /DuplicatePrevention|DuplicateSubmission/i.test(text)))
    return refuse('duplicate', words);
  return refuse('rejected', words);
}

function isRefused(err: unknown, text: RegExp): err is MaxioError {
  return err instanceof MaxioError && err.kind === 'rejected' && err.status === 422 && err.says(text);
}

/** Tells whether a cancel was refused because there is nothing left to cancel. */
export function isAlreadyCanceled(err: unknown): err is MaxioError {
  return isRefused(err, /already (been )?cancell?ed/i);
}

/** Tells whether a create was refused because a reference in it is taken; the text does not always say which. */
export function isReferenceTaken(err: unknown): err is MaxioError {
  return isRefused(err, /reference\b.*\b(unique|taken)|\b(unique|taken)\b.*reference/i);
}
