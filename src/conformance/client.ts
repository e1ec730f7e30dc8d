/**
 * Owns HTTP with the server that is being looked at: one request, the raw answer, a deadline, and patience with 429.
 * Refuses to judge answers, to follow redirects, and to let the token out: requests are remembered without it.
 * RFC 7644 §3.8 (media types); RFC 9110 §10.2.3 (Retry-After).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { parse } from './json.ts';

export interface Sent {
  method: string;
  /** Below the base URL, with its query. */
  path: string;
  /** Without Authorization. */
  headers: Record<string, string>;
  body?: string;
}

export interface Answer {
  sent: Sent;
  status: number;
  headers: Record<string, string>;
  text: string;
  /** Undefined when the text is no JSON. */
  body: unknown;
}

export interface SendOptions {
  /** Replaces or, with null, removes a header. */
  headers?: Record<string, string | null>;
  /** Another token, or none at all. */
  token?: string | null;
}

export interface ClientOptions {
  url: string;
  token: string;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/** Nothing came back: no connection, a cut one, or no answer in time. */
export class NoAnswer extends Error {
  override name = 'NoAnswer';
  readonly sent: Sent;

  constructor(sent: Sent, cause: unknown, timeoutMs: number) {
    const late = cause instanceof Error && cause.name === 'TimeoutError';
    super(
      late ? `no answer within ${timeoutMs / 1_000} s` : `no answer: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
    this.sent = sent;
  }
}

const SCIM_JSON = 'application/scim+json';
/** A server may slow us down this often and this long before its 429 counts as its answer. */
const PATIENCE_TIMES = 5;
const PATIENCE_SECONDS_MAX = 60;

export class Client {
  readonly url: string;
  readonly token: string;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #agent = new Agent({ connections: 4 });

  constructor(options: ClientOptions) {
    this.url = options.url.replace(/\/+$/, '');
    this.token = options.token;
    this.#timeoutMs = options.timeoutMs;
    this.#signal = options.signal;
  }

  /** Sends one request. A text goes out as it is, anything else as JSON. Throws NoAnswer. */
  async send(method: string, path: string, body?: unknown, options: SendOptions = {}): Promise<Answer> {
    const sent = describe(method, path, body, options);
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.#once(sent, options.token === undefined ? this.token : options.token);
      const waitSeconds = Number(answer.headers['retry-after']);
      if (answer.status !== 429 || attempt > PATIENCE_TIMES || !(waitSeconds <= PATIENCE_SECONDS_MAX)) return answer;
      await sleep(waitSeconds * 1_000, undefined, this.#signal === undefined ? {} : { signal: this.#signal });
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #once(sent: Sent, token: string | null): Promise<Answer> {
    const deadline = AbortSignal.timeout(this.#timeoutMs);
    try {
      const answer = await request(this.url + sent.path, {
        method: sent.method,
        headers: { ...sent.headers, ...(token !== null && { authorization: `Bearer ${token}` }) },
        ...(sent.body !== undefined && { body: sent.body }),
        dispatcher: this.#agent,
        signal: this.#signal === undefined ? deadline : AbortSignal.any([deadline, this.#signal]),
      });
      const text = await answer.body.text();
      return { sent, status: answer.statusCode, headers: flat(answer.headers), text, body: parse(text) };
    } catch (cause) {
      throw new NoAnswer(sent, cause, this.#timeoutMs);
    }
  }
}

function describe(method: string, path: string, body: unknown, options: SendOptions): Sent {
  const headers: Record<string, string> = { accept: SCIM_JSON, 'user-agent': 'maxio-scim-conformance' };
  if (body !== undefined) headers['content-type'] = SCIM_JSON;
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (value === null) delete headers[name];
    else headers[name] = value;
  }
  const sent: Sent = { method, path, headers };
  if (body !== undefined) sent.body = typeof body === 'string' ? body : JSON.stringify(body);
  return sent;
}

function flat(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) result[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value;
  }
  return result;
}

/** Builds a query string; blanks become %20, which every server reads. */
export function query(parameters: Record<string, string | number>): string {
  const pairs = Object.entries(parameters).map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}
