/** Owns the one error that means: too much is under way at this moment, nothing of this request was done, send it again soon. RFC 9110 §15.6.4. */

export class Crowded extends Error {
  /** For the `Retry-After` header: a whole number, because Okta understands nothing else. */
  readonly retryAfterSeconds = 1;

  constructor(message: string) {
    super(message);
    this.name = 'Crowded';
  }
}
