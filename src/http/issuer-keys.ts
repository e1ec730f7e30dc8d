/**
 * Owns the public keys of trusted issuers: fetched from the address an operator has named, kept, chosen by key id.
 * Refuses to be made to fetch: at most once in 30 s for a key id that is not there, once in 10 s while the issuer does not answer, one fetch at a time, no
 * redirect, 5 s, 256 KB. Keys are fetched anew after ten minutes; an issuer that is away then is not missed for a day, as Microsoft asks for.
 */
import {
  type CryptoKey,
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  errors,
  type FlattenedJWSInput,
  type JWSHeaderParameters,
  type RemoteJWKSet,
} from 'jose';

export class IssuerUnavailable extends Error {
  override name = 'IssuerUnavailable';
  readonly jwksUrl: string;
  /** Whether this is news: the issuer was there before, or it was said long ago. */
  readonly isNews: boolean;

  constructor(jwksUrl: string, isNews: boolean, cause: unknown) {
    super('the keys of the issuer could not be fetched', { cause });
    this.jwksUrl = jwksUrl;
    this.isNews = isNews;
  }
}

const FETCH_MS = 5_000;
const FRESH_MS = 10 * 60_000;
const STALE_MS = 24 * 60 * 60_000;
const UNKNOWN_KEY_MS = 30_000;
const FAILED_MS = 10_000;
const BYTES_MAX = 256 * 1024;
const ISSUERS_MAX = 100;
const SAY_AGAIN_MS = 10 * 60_000;

interface Kept {
  set: RemoteJWKSet;
  answeredMs: number;
  failedMs: number;
  /** When it was last said that it is away; long ago once it has answered. */
  saidMs: number;
}

export interface IssuerKeysOptions {
  /** Tests only: shorter waits, and a steady clock of their own. */
  freshMs?: number;
  unknownKeyMs?: number;
  failedMs?: number;
  nowMs?: () => number;
}

export class IssuerKeys {
  readonly #kept = new Map<string, Kept>();
  readonly #options: Required<IssuerKeysOptions>;

  constructor(options: IssuerKeysOptions = {}) {
    const nowMs = (): number => performance.now();
    this.#options = { freshMs: FRESH_MS, unknownKeyMs: UNKNOWN_KEY_MS, failedMs: FAILED_MS, nowMs, ...options };
  }

  /** Find the key of a signature. @throws IssuerUnavailable; errors.JOSEError when the issuer has no such key */
  async keyOf(jwksUrl: string, header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey> {
    const kept = this.#kept.get(jwksUrl) ?? this.#open(jwksUrl);
    try {
      return await kept.set(header, token);
    } catch (error) {
      if (isAboutKeys(error)) throw error;
      const known = kept.set.jwks();
      if (known !== undefined && this.#options.nowMs() - kept.answeredMs < STALE_MS) {
        const found = await createLocalJWKSet(known)(header, token).catch(() => undefined);
        if (found !== undefined) return found;
      }
      throw this.#unavailable(jwksUrl, kept, error);
    }
  }

  #unavailable(jwksUrl: string, kept: Kept, cause: unknown): IssuerUnavailable {
    const now = this.#options.nowMs();
    const isNews = now - kept.saidMs >= SAY_AGAIN_MS;
    if (isNews) kept.saidMs = now;
    return new IssuerUnavailable(jwksUrl, isNews, cause);
  }

  #open(jwksUrl: string): Kept {
    const { freshMs, unknownKeyMs } = this.#options;
    const kept: Kept = {
      set: createRemoteJWKSet(new URL(jwksUrl), {
        timeoutDuration: FETCH_MS,
        cooldownDuration: unknownKeyMs,
        cacheMaxAge: freshMs,
        [customFetch]: (url, options) => this.#fetch(kept, url, options),
      }),
      answeredMs: Number.NEGATIVE_INFINITY,
      failedMs: Number.NEGATIVE_INFINITY,
      saidMs: Number.NEGATIVE_INFINITY,
    };
    this.#kept.set(jwksUrl, kept);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > ISSUERS_MAX && oldest !== undefined) this.#kept.delete(oldest);
    return kept;
  }

  async #fetch(kept: Kept, url: string, options: RequestInit): Promise<Response> {
    const { nowMs, failedMs } = this.#options;
    if (nowMs() - kept.failedMs < failedMs) throw new Error('the issuer has not answered a moment ago');
    try {
      const text = await readText(await fetch(url, options));
      kept.answeredMs = nowMs();
      kept.saidMs = Number.NEGATIVE_INFINITY;
      return new Response(text);
    } catch (error) {
      kept.failedMs = nowMs();
      throw error;
    }
  }
}

/** The issuer has answered, and what it answered holds no key for this signature. */
function isAboutKeys(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`the address of the keys has answered ${response.status}`);
  }
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > BYTES_MAX) throw new Error('the keys of the issuer are too long');
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  // Whatever is no set of keys is no answer.
  createLocalJWKSet(JSON.parse(text));
  return text;
}
