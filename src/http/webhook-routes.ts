/**
 * Owns the door for Maxio's webhooks: `POST /maxio/webhooks/{site key}`, a form whose raw bytes are signed with the shared key of the site.
 * Refuses to read the form and to know the key: a door given by app.ts verifies and remembers. A post that is not signed touches neither Redis nor Maxio.
 * Whoever keeps sending such posts is refused before a byte is read, except what could be right: a small body with one signature costs a sum to tell, and Maxio may
 * share its address with whoever floods, behind a proxy that is not named.
 * Source: docs.maxio.com, webhooks reference: only 200 acknowledges, everything else is sent again up to four times.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { networkOf } from '../network.ts';
import { ALWAYS } from './answer-error.ts';
import { countOf } from './auth.ts';

/** `known`: this id has been here before and has no further effect. `later`: Redis could not remember it, so Maxio has to send it again. */
export type WebhookAnswer = 'ok' | 'known' | 'unsigned' | 'unreadable' | 'foreign' | 'later';

export interface WebhookDoor {
  /** `<region>.<subdomain>`, as in the address. */
  key: string;
  /** Verify over the raw bytes, and remember what is news. Must not throw for anything a client can send. */
  accept(raw: Buffer, signature: string): Promise<WebhookAnswer>;
}

export interface WebhookParts {
  doors: readonly WebhookDoor[];
  /** Told of every answer, for metrics. */
  onAnswer: (site: string, answer: WebhookAnswer | 'flood') => void;
  /** Milliseconds on any steady clock; tests bring their own. */
  nowMs?: () => number;
}

export const WEBHOOK_PATH = '/maxio/webhooks/:siteKey';
const BODY_BYTES_MAX = 64 * 1024;
/** Up to this size, which it has to say beforehand, a body is verified in a flood as well. */
const VERIFIED_BYTES_MAX = 32 * 1024;
/** The one header that counts: the older ones carry weaker sums. */
const SIGNATURE_HEADER = 'x-chargify-webhook-signature-hmac-sha-256';

/** Unsigned posts that one address may send to one site at once, and how many more each second. */
const FAILURES_BURST = 20;
const FAILURES_PER_SECOND = 5;
/** Addresses that are remembered; beyond it the one that failed longest ago is forgotten. */
const ADDRESSES_MAX = 1_000;

const SAYS: Record<WebhookAnswer | 'flood' | 'nowhere', { status: number; error: string; do: string }> = {
  ok: { status: 200, error: '', do: '' },
  known: { status: 200, error: '', do: '' },
  unsigned: { status: 401, error: 'unsigned', do: 'Compare MAXIO_WEBHOOK_KEY with the shared key of the site in Maxio.' },
  unreadable: { status: 422, error: 'unreadable', do: 'Send the form as Maxio sends it.' },
  foreign: {
    status: 422,
    error: 'other-site',
    do: 'This webhook tells of another site: correct the address of the endpoint in Maxio.',
  },
  later: { status: 503, error: 'not-remembered', do: 'Send it again.' },
  flood: { status: 429, error: 'too-many-unsigned', do: 'Stop sending posts without a right signature.' },
  nowhere: { status: 404, error: 'not-found', do: 'Check the address: no site takes webhooks here.' },
};

/** Registers the route; to be encapsulated, because it reads bodies in its own way. */
export async function webhookRoutes(app: FastifyInstance, parts: WebhookParts): Promise<void> {
  const doors = new Map(parts.doors.map((door) => [door.key, door]));
  const failures = new Failures(parts.nowMs ?? (() => performance.now()));
  const tell = async (reply: FastifyReply, site: string, answer: WebhookAnswer | 'flood'): Promise<FastifyReply> => {
    parts.onAnswer(site, answer);
    return await say(reply, answer);
  };

  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: BODY_BYTES_MAX }, (_request, bytes, done) => done(null, bytes));

  app.setErrorHandler(async (error, request, reply) => {
    const { statusCode = 500 } = error as { statusCode?: number };
    if (statusCode >= 500) request.log.error({ err: error }, 'a webhook was not taken');
    const told =
      statusCode >= 500
        ? { error: 'internal-error', do: 'Send it again.' }
        : { error: 'bad-request', do: 'Send the form as Maxio sends it.' };
    return await reply.code(statusCode).headers(ALWAYS).send(told);
  });

  app.post<{ Params: { siteKey: string } }>(WEBHOOK_PATH, {
    bodyLimit: BODY_BYTES_MAX,
    // Before a byte of the body is read.
    onRequest: async (request, reply) => {
      const door = doors.get(request.params.siteKey);
      if (door === undefined) return await say(reply, 'nowhere');
      const signed = signatureOf(request) !== undefined;
      if (failures.isFlooding(door.key, request.ip) && !(signed && isSmall(request))) return await tell(reply, door.key, 'flood');
      if (signed) return undefined;
      failures.count(door.key, request.ip);
      return await tell(reply, door.key, 'unsigned');
    },
    handler: async (request, reply) => {
      const door = doors.get(request.params.siteKey);
      const signature = signatureOf(request);
      if (door === undefined || signature === undefined) return await say(reply, 'nowhere');
      const answer = Buffer.isBuffer(request.body) ? await door.accept(request.body, signature) : 'unsigned';
      if (answer !== 'unsigned') return await tell(reply, door.key, answer);
      if (failures.isFlooding(door.key, request.ip)) return await tell(reply, door.key, 'flood');
      failures.count(door.key, request.ip);
      return await tell(reply, door.key, answer);
    },
  });
}

/** The one signature of the right shape; two headers are two readings of one request. */
function signatureOf({ raw }: FastifyRequest): string | undefined {
  const value = raw.headers[SIGNATURE_HEADER];
  if (typeof value !== 'string' || countOf(raw.rawHeaders, SIGNATURE_HEADER) !== 1) return undefined;
  return /^[0-9a-f]{64}$/.test(value) ? value : undefined;
}

function isSmall({ raw }: FastifyRequest): boolean {
  const said = raw.headers['content-length'];
  return said !== undefined && Number(said) <= VERIFIED_BYTES_MAX;
}

async function say(reply: FastifyReply, answer: keyof typeof SAYS): Promise<FastifyReply> {
  const { status, error, do: cure } = SAYS[answer];
  if (status === 429 || status === 503) reply.header('retry-after', '10');
  return await reply
    .code(status)
    .headers(ALWAYS)
    .send(status === 200 ? { ok: true } : { error, do: cure });
}

/** A leaky bucket of failures for each address at each site; right posts cost nothing and empty nothing. */
class Failures {
  readonly #nowMs: () => number;
  readonly #buckets = new Map<string, { level: number; atMs: number }>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  isFlooding(site: string, address: string): boolean {
    return this.#level(keyOf(site, address)) >= FAILURES_BURST;
  }

  count(site: string, address: string): void {
    const key = keyOf(site, address);
    const level = this.#level(key) + 1;
    this.#buckets.delete(key);
    this.#buckets.set(key, { level, atMs: this.#nowMs() });
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > ADDRESSES_MAX && oldest !== undefined) this.#buckets.delete(oldest);
  }

  #level(key: string): number {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return 0;
    return Math.max(0, bucket.level - ((this.#nowMs() - bucket.atMs) / 1_000) * FAILURES_PER_SECOND);
  }
}

function keyOf(site: string, address: string): string {
  return `${site} ${networkOf(address)}`;
}
