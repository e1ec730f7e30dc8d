/** Owns the one error that means: too many wrong credentials came from there; a right one still passes. RFC 6585 §4. */
import { ScimError } from '../scim/error.ts';

export class TooManyFailures extends ScimError {
  /** For the `Retry-After` header: a whole number, because Okta understands nothing else. */
  readonly retryAfterSeconds: number;

  constructor(retryAfterSeconds: number) {
    super(
      429,
      `Too many requests with a wrong token have come from this address, or with this token id. Correct the token before the next try; a right one is served at once, a wrong one is looked at again in ${retryAfterSeconds} s.`,
    );
    this.name = 'TooManyFailures';
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
