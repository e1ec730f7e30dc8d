/**
 * Owns the rules that values of variables obey, and the notes each variable carries. Rules are strict on purpose: an integer is decimal digits only,
 * a flag is never coerced, and an address Maxio calls go to is a constant or loopback. Refuses to know which variables there are (config-schema.ts).
 */
import { z } from 'zod';
import { Networks } from './network.ts';
import { Secret } from './secret.ts';

export type VariableGroup = 'Service' | 'Redis' | 'Maxio site' | 'Identity provider' | 'Operators' | 'Tests only';

export interface VariableNotes {
  group: VariableGroup;
  /** May also be given as NAME_FILE; never shown. */
  secret?: true;
  /** Shown in .env.example where there is no default. */
  example?: string;
  /** Wanted although the schema lets it be absent, because SITES_FILE can take its place. */
  required?: true;
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Accepts decimal digits only: no sign, blank, exponent, hex or leading zero. */
export function integer(min: number, max: number) {
  const rule = `must be a whole number from ${min} to ${max}, in plain digits`;
  return z
    .string()
    .regex(/^(0|[1-9]\d{0,14})$/, rule)
    .transform(Number)
    .refine((value) => value >= min && value <= max, rule);
}

export function oneOf<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(values, `must be one of ${values.join(', ')}`);
}

export const flag = z.stringbool({ error: 'must be 1 or 0 (true, false, yes, no, on, off)' });

export const visible = z
  .string()
  .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without blanks; check for a line break or a pasted quote');

export const makeOne = 'make one with: openssl rand -hex 32';
export const token = visible
  .refine((value) => value.length >= 16, `is too short; at least 16 characters, ${makeOne}`)
  .refine((value) => new Set(value).size >= 6, `is too easy to guess; ${makeOne}`)
  .refine((value) => !/change[-_ ]?me|password|your[-_ ]?token/i.test(value), `is a placeholder; ${makeOne}`)
  .transform((value) => new Secret(value));

/** One key or several, the first of which signs: a key is changed by putting the new one second, then first, then dropping the old one. */
export const signingKeys = z
  .string()
  .refine(
    (value) => /^[\x21-\x7e\s]+$/.test(value) && partsOf(value).length <= 4,
    'must be one to four keys in printable ASCII, split by commas or blanks',
  )
  .refine(
    (value) => partsOf(value).every((key) => key.length >= 32 && new Set(key).size >= 8),
    `is too short or too easy to guess; at least 32 characters, ${makeOne}`,
  )
  .transform((value) => {
    const secret = new Secret(value);
    for (const key of partsOf(value)) secret.hide(key);
    return secret;
  });

function partsOf(value: string): string[] {
  return value.split(/[\s,]+/).filter((part) => part !== '');
}

export const redisUrl = z
  .string()
  .refine(
    (value) => value.startsWith('/') || (URL.canParse(value) && /^rediss?:$/.test(new URL(value).protocol)),
    'must be redis://[user:password@]host:port[/db], rediss://… for TLS, or the path of a unix socket',
  )
  .transform((value) => new Secret(value));

export const loopbackOrigin = z
  .string()
  .refine((value) => {
    if (!URL.canParse(value)) return false;
    const url = new URL(value);
    const plain = url.username === '' && url.password === '' && url.search === '' && url.hash === '' && url.pathname === '/';
    return /^https?:$/.test(url.protocol) && LOOPBACK.has(url.hostname) && plain;
  }, 'must be http://127.0.0.1:port or http://localhost:port: it exists for a local sandbox only; unset it to reach the real Maxio')
  .transform((value) => new URL(value).origin);

export const publicUrl = z
  .string()
  .refine((value) => {
    if (!URL.canParse(value)) return false;
    const url = new URL(value);
    return /^https?:$/.test(url.protocol) && url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  }, 'must be an http:// or https:// address without user, query or fragment')
  .transform((value) => value.replace(/\/+$/, ''));

/** May carry a query, since some receivers put their key there. */
export const publicUrlWithQuery = z.string().refine((value) => {
  if (!URL.canParse(value)) return false;
  const { protocol, hostname } = new URL(value);
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.has(hostname));
}, 'must be an https:// address (http:// on this machine only)');

/** A list of addresses and CIDRs. Never names, `true` or a number of hops: whoever can reach the port could pretend to be anybody. */
export function networkList(widest?: Parameters<typeof Networks.parse>[1]) {
  return z.string().transform((value, context) => {
    const texts = value.split(/[\s,]+/).filter((text) => text !== '');
    try {
      if (texts.length === 0) throw new Error('name at least one network');
      return Networks.parse(texts, widest);
    } catch (error) {
      context.addIssue({ code: 'custom', message: `must ${(error as Error).message}` });
      return z.NEVER;
    }
  });
}

/** Attaches the description and the notes from which .env.example is made. */
export function variable<T extends z.ZodType>(schema: T, notes: VariableNotes, text: string): T {
  return schema.describe(text).meta({ ...notes });
}
