/**
 * Owns one request to one Maxio site: address, Basic auth, deadline, and that an answer is the JSON which was asked for.
 * Refuses to know what the calls mean, to repeat, to redirect and to count. Whatever goes wrong is a `MaxioError` that says what
 * is proven. Source: developers.maxio.com, Authentication (user is the API key, password is `x`).
 */
import { Pool } from 'undici';
import type { z } from 'zod';
import type { Secret } from '../secret.ts';
import { type Call, pathOf } from './calls.ts';
import { refusalOf, unanswered, untrusted } from './classify.ts';
import { MaxioError } from './error.ts';
import { personalValues } from './messages.ts';
import { readBody } from './parse.ts';
import { type Answer, exchange, Unanswered } from './request.ts';
import { siteOrigin } from './site-url.ts';

export interface MaxioSite {
  region: 'us' | 'eu';
  subdomain: string;
  apiKey: Secret;
  /** Loopback only: a sandbox in place of the real host. */
  baseUrl?: string | undefined;
}

/** What one call looked like from outside, for metrics; holds no values. */
export interface CallSeen {
  method: Call['method'];
  template: string;
  status: number | undefined;
  /** `undefined` when the call succeeded. */
  kind: MaxioError['kind'] | undefined;
  tookMs: number;
}

export interface MaxioClientOptions {
  /** Total time of a call, in ms. Maxio itself cuts off at 120 s. */
  deadlineMs?: number;
  maxResponseBytes?: number;
  connections?: number;
  /** Must not throw. */
  onCall?: (seen: CallSeen) => void;
}

export interface Ask {
  /** What stands in the path: an id, the handle of a product, or several handles. */
  id?: string | readonly string[];
  query?: Record<string, string>;
  body?: object;
  signal?: AbortSignal | undefined;
}

const CONNECT_TIMEOUT_MS = 5_000;
/** Below the idle time of the usual load balancers, whatever a server promises. */
const IDLE_MAX_MS = 30_000;

export class MaxioConnection {
  readonly #pool: Pool;
  readonly #apiKey: Secret;
  readonly #deadlineMs: number;
  readonly #answerBytesMax: number;
  readonly #onCall: ((seen: CallSeen) => void) | undefined;
  #closed: Promise<void> | undefined;

  /** @throws TypeError when the site's address is not one of Maxio's or of this machine */
  constructor(site: MaxioSite, options: MaxioClientOptions = {}) {
    this.#apiKey = site.apiKey;
    this.#deadlineMs = options.deadlineMs ?? 40_000;
    this.#answerBytesMax = options.maxResponseBytes ?? 8 * 1024 * 1024;
    this.#onCall = options.onCall;
    this.#pool = new Pool(siteOrigin(site), {
      connections: options.connections ?? 4,
      pipelining: 1,
      allowH2: false,
      connect: { timeout: Math.min(CONNECT_TIMEOUT_MS, this.#deadlineMs) },
      keepAliveMaxTimeout: IDLE_MAX_MS,
      // The total deadline of request.ts is stricter than any idle timeout.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /** Closes the connections after the calls under way have ended. */
  async close(): Promise<void> {
    this.#closed ??= this.#pool.close();
    await this.#closed;
  }

  /** Sends one request. @throws MaxioError */
  async call<T>(call: Call, shape: z.ZodType<T>, ask: Ask): Promise<T> {
    const path = pathOf(call, ask.id, ask.query);
    const body = ask.body === undefined ? undefined : JSON.stringify(ask.body);
    const key = this.#apiKey.reveal();
    const startedMs = performance.now();
    const ended = (status: number | undefined, kind?: MaxioError['kind']): void =>
      this.#onCall?.({ method: call.method, template: call.template, status, kind, tookMs: performance.now() - startedMs });
    try {
      const answer = await exchange(this.#pool, {
        method: call.method,
        path,
        headers: this.#headers(body !== undefined),
        body,
        deadlineMs: this.#deadlineMs,
        answerBytesMax: this.#answerBytesMax,
        signal: ask.signal,
      });
      const value = this.#read(call, shape, ask, answer, key);
      ended(answer.status);
      return value;
    } catch (err) {
      const told = err instanceof Unanswered ? unanswered(call, err) : err;
      if (told instanceof MaxioError) ended(told.status, told.kind);
      throw told;
    }
  }

  #read<T>(call: Call, shape: z.ZodType<T>, { id, body, query }: Ask, answer: Answer, key: string): T {
    const refusal = refusalOf(call, answer, this.#secrets(), personalValues(body, query));
    if (refusal?.kind === 'unauthorized' && key !== this.#apiKey.reveal()) throw outdated(call, answer);
    if (refusal) throw refusal;
    const read = readBody(shape, answer.body);
    if (!read.ok) throw untrusted(call, 'not the JSON that was asked for', answer);
    if (!isAbout(read.value, typeof id === 'string' ? id : undefined)) throw untrusted(call, 'tells of another id', answer);
    return read.value;
  }

  #headers(withBody: boolean): Record<string, string> {
    return {
      authorization: `Basic ${basicOf(this.#apiKey.reveal())}`,
      accept: 'application/json',
      'user-agent': 'maxio-scim',
      ...(withBody ? { 'content-type': 'application/json' } : {}),
    };
  }

  /** What a faulty peer might echo back at us. */
  #secrets(): string[] {
    return [...this.#apiKey.hidden].flatMap((key) => [basicOf(key), key]);
  }
}

function basicOf(key: string): string {
  return Buffer.from(`${key}:x`, 'utf8').toString('base64');
}

/** A key that was replaced while its call was at work: that it is refused says nothing about the key there is now. */
function outdated(call: Call, { status }: Answer): MaxioError {
  const reason = 'the API key of this call has been replaced';
  return new MaxioError({ kind: 'unavailable', call: call.words, status, reason, sent: true, answered: true });
}

/** Tells whether an answer speaks of what was asked; lists and confirmations name no id of their own. */
function isAbout(value: unknown, id: string | undefined): boolean {
  return id === undefined || typeof value !== 'object' || value === null || !('id' in value) || value.id === id;
}
