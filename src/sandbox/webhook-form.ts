/**
 * Owns how a webhook looks on the wire: a form with nested keys, times in US Eastern, and the two signatures over its bytes.
 * Refuses to know what is sent. Answers to Maxio's webhooks reference: all values are text, null is empty, arrays repeat their key.
 */
import { createHash, createHmac } from 'node:crypto';
import { formatMoment } from './clock.ts';

const EASTERN_MINUTES = -300;

/** Encodes nested values as Rails does, such as `payload[subscription][customer][id]=7`. */
export function formOf(values: Record<string, unknown>): string {
  const form = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) append(form, key, value);
  return form.toString();
}

function append(form: URLSearchParams, name: string, value: unknown): void {
  if (Array.isArray(value)) {
    for (const each of value) append(form, `${name}[]`, each);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) append(form, `${name}[${key}]`, inner);
  } else form.append(name, value === null || value === undefined ? '' : eastern(name, String(value)));
}

/** Turns the API's ISO 8601 into the spelling of webhooks, such as `2016-11-08 16:22:18 -0500`. */
function eastern(name: string, text: string): string {
  const instantMs = name.endsWith('_at]') ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(instantMs)) return text;
  const [, day, time] = /^(.{10})T(.{8})/.exec(formatMoment(instantMs, EASTERN_MINUTES)) ?? [];
  return `${day} ${time} -0500`;
}

/** Signs a body with the site's shared key. */
export function signaturesOf(key: string, body: string): { hmac: string; md5: string } {
  return {
    hmac: createHmac('sha256', key).update(body).digest('hex'),
    md5: createHash('md5')
      .update(key + body)
      .digest('hex'),
  };
}
