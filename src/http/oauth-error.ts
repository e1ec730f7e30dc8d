/** Owns the errors of the token endpoint: the codes of RFC 6749 §5.2, with a sentence that says what to do. Refuses anything a client has sent in them. */
export class OAuthError extends Error {
  readonly status: number;
  readonly code:
    | 'invalid_request'
    | 'invalid_client'
    | 'unauthorized_client'
    | 'unsupported_grant_type'
    | 'server_error'
    | 'temporarily_unavailable';
  readonly headers: Record<string, string>;

  constructor(status: number, code: OAuthError['code'], message: string, headers: Record<string, string> = {}) {
    super(message);
    this.name = 'OAuthError';
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}
