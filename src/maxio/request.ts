/**
 * Owns one HTTP exchange: one request, never repeated, ended by a complete answer, a total deadline, a size limit or the caller.
 * Refuses to know what an answer means; it only tells whether a byte may have left. Redirects come back as plain answers.
 * Built on undici's dispatch, because only there one sees the moment before the request is written: everything that fails
 * earlier (name, connection, TLS) cannot have reached Maxio.
 */
import type { Dispatcher, Pool } from 'undici';

export interface Answer {
  status: number;
  contentType: string;
  retryAfter: string | undefined;
  body: string;
}

export interface Outgoing {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  headers: Record<string, string>;
  body?: string | undefined;
  /** Total time from here to the last byte of the answer, in ms: idle timeouts do not end a dripping answer. */
  deadlineMs: number;
  answerBytesMax: number;
  signal?: AbortSignal | undefined;
}

/** No complete answer came. `sent` false is proof, true is only a possibility. */
export class Unanswered extends Error {
  readonly sent: boolean;
  readonly aborted: boolean;
  readonly status: number | undefined;

  constructor(reason: string, seen: { sent: boolean; aborted?: boolean; status?: number | undefined; cause?: unknown }) {
    super(reason, { cause: seen.cause });
    this.name = 'Unanswered';
    this.sent = seen.sent;
    this.aborted = seen.aborted ?? false;
    this.status = seen.status;
  }
}

/** Names a network fault for people; codes are those of Node and undici. */
function faultWords(err: Error & { code?: string }, sent: boolean): string {
  const code = err.code ?? err.name;
  if (code === 'ECONNREFUSED') return 'connection refused';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `host name not resolved (${code})`;
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT') return 'no connection in time';
  if (/CERT|TLS|SSL|ALTNAME|SELF_SIGNED|UNABLE_TO_/.test(code)) return `TLS failed (${code})`;
  return sent ? `connection lost before a complete answer (${code})` : `connection failed (${code})`;
}

class Exchange implements Dispatcher.DispatchHandler {
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (err: Unanswered) => void;
  readonly #bytesMax: number;
  #controller: Dispatcher.DispatchController | undefined;
  #ended: Unanswered | undefined;
  #answer: Omit<Answer, 'body'> | undefined;
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(resolve: (answer: Answer) => void, reject: (err: Unanswered) => void, bytesMax: number) {
    this.#resolve = resolve;
    this.#reject = reject;
    this.#bytesMax = bytesMax;
  }

  /** Ends the exchange from our side; before the first byte has left, none will leave afterwards. */
  end(reason: string, aborted: boolean): void {
    const sent = this.#controller !== undefined;
    this.#ended ??= new Unanswered(reason, { sent, aborted, status: this.#answer?.status });
    this.#reject(this.#ended);
    this.#controller?.abort(this.#ended);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#ended) controller.abort(this.#ended);
    else this.#controller = controller;
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Record<string, unknown>): void {
    if (status < 200) return;
    const text = (name: string): string | undefined => (typeof headers[name] === 'string' ? headers[name] : undefined);
    this.#answer = { status, contentType: text('content-type') ?? '', retryAfter: text('retry-after') };
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#bytesMax) this.end(`answer larger than ${this.#bytesMax} bytes`, false);
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    if (this.#answer === undefined || this.#ended) return;
    this.#resolve({ ...this.#answer, body: Buffer.concat(this.#chunks).toString('utf8') });
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, err: Error): void {
    const sent = this.#controller !== undefined;
    // undici's own errors may carry bytes of the answer; only their code goes on.
    const cause = new Error((err as { code?: string }).code ?? err.name);
    this.#reject(this.#ended ?? new Unanswered(faultWords(err, sent), { sent, status: this.#answer?.status, cause }));
  }
}

/**
 * Sends one request and waits for the complete answer, whatever its status.
 * @throws Unanswered, and nothing else
 */
export async function exchange(pool: Pool, out: Outgoing): Promise<Answer> {
  const gaveUp = 'the caller gave up';
  if (out.signal?.aborted) throw new Unanswered(gaveUp, { sent: false, aborted: true });
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const one = new Exchange(resolve, reject, out.answerBytesMax);
  const onAbort = (): void => one.end(gaveUp, true);
  const timer = setTimeout(() => one.end(`no complete answer in ${out.deadlineMs} ms`, false), out.deadlineMs);
  out.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    // `reset: false` keeps the connection after a DELETE with a body.
    pool.dispatch({ method: out.method, path: out.path, headers: out.headers, body: out.body ?? null, reset: false }, one);
    return await promise;
  } catch (err) {
    if (err instanceof Unanswered) throw err;
    throw new Unanswered('the request could not be built', { sent: false, cause: err });
  } finally {
    clearTimeout(timer);
    out.signal?.removeEventListener('abort', onAbort);
  }
}
