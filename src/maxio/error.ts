/**
 * Owns the one error the Maxio client throws, by what a worker can do about it. Refuses to know what that will be.
 * The public part (`kind`, `status`, `messages`) may be shown to operators; the raw body never leaves the client.
 */

/**
 * | kind | when | what is known |
 * |---|---|---|
 * | missing | 404 with Maxio's empty body | the thing is not there |
 * | rejected | 400, 409 and 422 about the request itself, other 4xx | nothing was changed; repeating it changes nothing |
 * | duplicate | 409 DuplicatePrevention | an earlier request with this token arrived; its outcome is not told |
 * | throttled | 429 | nothing was done; the whole site must pause |
 * | blocked | 422 that speaks of the account, whatever the endpoint | the site is unavailable |
 * | unauthorized | 401, 403 | nothing was done; the key may be wrong (single spurious 401s are on record) |
 * | unavailable | could not be sent, or a read failed (5xx, timeout, HTML, truncated JSON) | nothing was changed |
 * | ambiguous | a write was sent and no trustworthy answer came (reset, timeout, 5xx, HTML, truncated JSON) | it may or may not have happened, or may still happen |
 */
export type MaxioErrorKind =
  | 'missing'
  | 'rejected'
  | 'duplicate'
  | 'throttled'
  | 'blocked'
  | 'unauthorized'
  | 'unavailable'
  | 'ambiguous';

export interface MaxioErrorParts {
  kind: MaxioErrorKind;
  /** The request in words, such as `create customer`; never a URL with values in it. */
  call: string;
  status?: number | undefined;
  /** Maxio's own messages, flattened, at most ten of at most 200 characters, without what we have sent about a person. */
  messages?: string[] | undefined;
  /** The same with it, for telling what was meant: somebody may be called what a refusal says. Never shown. */
  texts?: string[] | undefined;
  /** From an integer Retry-After, in ms. */
  retryAfterMs?: number | undefined;
  /** False when no byte of the request can have reached Maxio, so its slot is free at once. */
  sent: boolean;
  /** False when no complete answer came: the request may still be at work at Maxio, so its slot stays taken. */
  answered: boolean;
  /** Our own words for what went wrong, such as `no answer in 40000 ms`; free of values. */
  reason?: string | undefined;
  /** True when the caller's signal ended the call: it then says nothing about Maxio. */
  aborted?: boolean | undefined;
  cause?: unknown;
}

export class MaxioError extends Error {
  readonly kind: MaxioErrorKind;
  readonly call: string;
  readonly status: number | undefined;
  readonly messages: string[];
  readonly #texts: readonly string[];
  readonly retryAfterMs: number | undefined;
  readonly sent: boolean;
  readonly answered: boolean;
  readonly reason: string | undefined;
  readonly aborted: boolean;

  constructor(parts: MaxioErrorParts) {
    const what = parts.status === undefined ? parts.kind : `${parts.kind}, HTTP ${parts.status}`;
    // Without Maxio's own words: this text goes to the log, and what those may quote nobody knows.
    super(`Maxio: ${parts.call}: ${what}${parts.reason ? `: ${parts.reason}` : ''}`, { cause: parts.cause });
    this.name = 'MaxioError';
    this.kind = parts.kind;
    this.call = parts.call;
    this.status = parts.status;
    this.messages = parts.messages ?? [];
    this.#texts = parts.texts ?? this.messages;
    this.retryAfterMs = parts.retryAfterMs;
    this.sent = parts.sent;
    this.answered = parts.answered;
    this.reason = parts.reason;
    this.aborted = parts.aborted ?? false;
  }

  /** Tells whether one of Maxio's messages says so. */
  says(pattern: RegExp): boolean {
    return this.#texts.some((text) => pattern.test(text));
  }
}
