/**
 * Owns the answers of the API in Maxio's own shapes: the one place where statuses and error bodies are spelled.
 * Refuses to decide when they apply. Maxio has five spellings of a 422 and no body at all for a 404; a client has to meet each of them.
 * Answers to "Error handling" and "Duplicate prevention" of developers.maxio.com, and to the live tests of the official SDKs.
 */

export interface Answer {
  status: number;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is, in place of `body`. */
  text?: string;
  contentType?: string;
  headers?: Record<string, string>;
}

/** Answers with a JSON body. */
export function ok(body: unknown, status = 200): Answer {
  return { status, body };
}

/** Says that there is no such thing: 404 and not a byte of body. */
export function notFound(): Answer {
  return { status: 404 };
}

/** Refuses by validation: 422 with a list of sentences. */
export function refused(...messages: string[]): Answer {
  return { status: 422, body: { errors: messages } };
}

/** Refuses a missing or empty root key: 422 with a map. */
export function blankRoot(root: string): Answer {
  return { status: 422, body: { errors: { [root]: "can't be blank" } } };
}

/** Refuses with the singular key: 422 as the cancel endpoint spells it. */
export function refusedSingly(message: string): Answer {
  return { status: 422, body: { error: message } };
}

/** Says that a request with this uniqueness token has been seen within the hour; how that one ended is not told. */
export function duplicateSubmission(): Answer {
  return { status: 409, body: { errors: ['DuplicatePrevention::DuplicateSubmissionError'] } };
}

/** Refuses a wrong or missing key. */
export function accessDenied(): Answer {
  return {
    status: 401,
    text: 'HTTP Basic: Access denied.\n',
    contentType: 'text/html; charset=utf-8',
    headers: { 'www-authenticate': 'Basic realm="Application"' },
  };
}

/** Refuses for load: 429 with the sentence of the documentation and a code for the support desk. */
export function throttled(code: string, asJson: boolean, retryAfter?: string): Answer {
  const text = `Your request was denied due to a usage violation. You can track this request with support by referencing ${code}`;
  const headers = retryAfter === undefined ? {} : { 'retry-after': retryAfter };
  return asJson
    ? { status: 429, body: { errors: [text] }, headers }
    : { status: 429, text, contentType: 'text/plain; charset=utf-8', headers };
}

/** Answers with a page of a proxy or a CDN, as it comes from in front of the API. */
export function htmlPage(status: number): Answer {
  const page = `<!DOCTYPE html><html><head><title>${status}</title></head><body><h1>${status}</h1><hr>nginx</body></html>\n`;
  return { status, text: page, contentType: 'text/html' };
}

/** Formats cents as the API's sentences do, such as `$1,299.00`. */
export function dollars(cents: number): string {
  return `$${(cents / 100).toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
}

/** Says that money is due and nothing is on file to take it from. */
export function noPaymentMethod(cents: number): Answer {
  return refused(`No payment method was on file for the ${dollars(cents)} balance`);
}

export const REFERENCE_TAKEN = 'Reference: must be unique - that value has been taken.';
export const EMAIL_TAKEN = 'Email address: must be unique - that value has been taken.';
export const CUSTOMER_NEEDED = 'A Customer must be specified for the subscription to be valid.';
