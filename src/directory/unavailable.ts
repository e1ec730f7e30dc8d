/** Owns the one error that means: the directory cannot promise durability now, nothing was acknowledged, ask again later. */

export class DirectoryUnavailable extends Error {
  /** For the `Retry-After` header: a whole number, because Okta understands nothing else. */
  readonly retryAfterSeconds: number;

  constructor(message: string, retryAfterSeconds: number, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'DirectoryUnavailable';
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
