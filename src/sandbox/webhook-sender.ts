/**
 * Owns the delivery of webhooks over real HTTP: the attempts on the sandbox clock, what counts as accepted, and the mischief that a
 * client has to survive (duplicates, late, reordered and forged messages).
 * Refuses every address but this machine's own: it is a sandbox. Answers to Maxio's webhooks reference: five attempts, only 200 within
 * 15 s accepts, the id stays the same, and the signature covers the bytes of the body.
 */
import { request } from 'node:http';
import type { Site } from './site.ts';
import { signaturesOf } from './webhook-form.ts';
import type { Delivery } from './webhook-log.ts';

/** What lies between one attempt and the next. */
const RETRY_SECONDS = [10, 15, 90, 180];
const AT_ONCE_MAX = 4;
const LOOPBACK = /^(localhost|\[::1\]|127\.\d{1,3}\.\d{1,3}\.\d{1,3})$/;

export class WebhookSender {
  readonly #site: Site;
  readonly #underWay = new Set<Delivery>();
  #timer: NodeJS.Timeout | undefined;
  #awake = false;
  #closed = false;
  #ending = new AbortController();

  constructor(site: Site) {
    this.#site = site;
  }

  /** Looks for due deliveries once the present work is done: what is taken back until then is never sent. */
  wake(): void {
    if (this.#awake) return;
    this.#awake = true;
    setImmediate(() => {
      this.#awake = false;
      this.#pump();
    });
  }

  /** Makes one attempt for everything that waits, due or not, one after the other, and tells how many there were. */
  async deliver(): Promise<number> {
    const waiting = [...this.#site.webhooks.pending()].filter((delivery) => !this.#underWay.has(delivery));
    if (this.#site.settings.webhookOrder === 'reversed') waiting.reverse();
    for (const delivery of waiting) this.#underWay.add(delivery);
    const { signal } = this.#ending;
    for (const delivery of waiting) {
      if (!signal.aborted) await this.#attempt(delivery);
    }
    return waiting.length;
  }

  /** Cuts what is under way and forgets it. */
  reset(): void {
    clearTimeout(this.#timer);
    this.#ending.abort();
    this.#ending = new AbortController();
    this.#underWay.clear();
  }

  close(): void {
    this.#closed = true;
    this.reset();
  }

  /** Starts what is due, a few at once, and comes back when the next one is. */
  #pump(): void {
    clearTimeout(this.#timer);
    const { webhooks, clock, settings } = this.#site;
    if (this.#closed || settings.webhooksHeld) return;
    const nowMs = clock.nowMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const delivery of webhooks.pending()) {
      if (this.#underWay.size >= AT_ONCE_MAX) return;
      if (this.#underWay.has(delivery)) continue;
      const dueMs = delivery.nextMs ?? nowMs;
      if (dueMs > nowMs) nextMs = Math.min(nextMs, dueMs);
      else {
        this.#underWay.add(delivery);
        void this.#attempt(delivery).then(() => this.wake());
      }
    }
    if (Number.isFinite(nextMs)) this.#timer = setTimeout(() => this.#pump(), nextMs - nowMs).unref();
  }

  /** Makes one attempt and writes down how it went; never throws. */
  async #attempt(delivery: Delivery): Promise<void> {
    const { webhooks, clock, settings } = this.#site;
    const { signal } = this.#ending;
    const url = webhooks.endpoint(delivery.endpointId)?.url ?? '';
    const sent = this.#wrapped(delivery, url);
    let failure: string | undefined;
    for (let copy = 0; copy <= settings.webhookDuplicates; copy++) failure = await post(sent, settings.webhookTimeoutMs, signal);
    this.#underWay.delete(delivery);
    if (signal.aborted) return;
    const nowMs = clock.nowMs();
    const retry = RETRY_SECONDS[delivery.attempts];
    Object.assign(delivery, { attempts: delivery.attempts + 1, lastSentMs: nowMs, lastSentUrl: sent.url });
    if (failure === undefined) {
      delivery.acceptedMs = nowMs;
      webhooks.settle(delivery);
      return;
    }
    delivery.lastError = `${failure} (retry ${delivery.attempts} of ${RETRY_SECONDS.length + 1})`;
    delivery.lastErrorMs = nowMs;
    if (retry === undefined) webhooks.settle(delivery);
    else delivery.nextMs = nowMs + retry * 1_000;
  }

  /** Signs a message, and spoils it afterwards when the settings ask for that. */
  #wrapped({ id, body }: Delivery, url: string): Sent {
    const { webhookKey, webhookTamper } = this.#site.settings;
    const { hmac, md5 } = signaturesOf(webhookKey, body);
    const signature = webhookTamper === 'signature' ? hmac.replace(/.$/, (last) => (last === '0' ? '1' : '0')) : hmac;
    return {
      url: url.replaceAll('{signature_hmac_sha_256}', signature),
      body: webhookTamper === 'body' ? `${body}&payload%5Bforged%5D=true` : body,
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'x-chargify-webhook-id': String(id),
        'x-chargify-webhook-signature': md5,
        'x-chargify-webhook-signature-hmac-sha-256': signature,
      },
    };
  }
}

interface Sent {
  url: string;
  body: string;
  headers: Record<string, string>;
}

/** Sends one request; answers why it was not accepted, or nothing. */
function post({ url, body, headers }: Sent, timeoutMs: number, ending: AbortSignal): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const target = URL.canParse(url) ? new URL(url) : undefined;
  if (target?.protocol !== 'http:' || !LOOPBACK.test(target.hostname)) {
    resolve('the sandbox delivers by http to addresses of this machine only');
    return promise;
  }
  const signal = AbortSignal.any([ending, AbortSignal.timeout(timeoutMs)]);
  const sending = request(target, {
    method: 'POST',
    agent: false,
    signal,
    headers: { ...headers, 'content-length': Buffer.byteLength(body) },
  });
  sending.on('response', (response) => {
    response.resume();
    resolve(response.statusCode === 200 ? undefined : `${response.statusCode} ${response.statusMessage}`.trim());
  });
  sending.on('error', (err: NodeJS.ErrnoException) => resolve(signal.aborted ? 'no answer in time' : (err.code ?? err.message)));
  sending.end(body);
  return promise;
}
