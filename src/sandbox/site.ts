/**
 * Owns the parts of one Maxio site that the operations share, and what an operation is: a plain function from a call to an answer.
 * Refuses to know HTTP: slots, faults, authentication and the ledger lie around the operations, not in them.
 */
import type { Answer } from './answers.ts';
import type { PricePoint, Product } from './catalogue.ts';
import type { Clock } from './clock.ts';
import type { Journal } from './journal.ts';
import type { Settings } from './settings.ts';
import type { Store } from './store.ts';
import type { WebhookLog } from './webhook-log.ts';

export interface Site {
  readonly store: Store;
  readonly journal: Journal;
  readonly webhooks: WebhookLog;
  readonly clock: Clock;
  readonly settings: Settings;
  readonly products: readonly Product[];
  readonly pricePoints: readonly PricePoint[];
  id: number;
  readonly subdomain: string;
  readonly test: boolean;
  apiKey: string;
}

export interface Call {
  params: Record<string, string>;
  query: URLSearchParams;
  /** The parsed JSON body; undefined when there was none, or when it was not sent as JSON. */
  body: unknown;
}

export type Operation = (site: Site, call: Call) => Answer;

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** The path as the documentation writes it, such as `/customers/{id}.json`. */
  template: string;
  operation: Operation;
}

/** Narrows a JSON value to an object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads the object under a root key; undefined when it is missing or empty, which Maxio treats alike. */
export function rootOf(body: unknown, root: string): Record<string, unknown> | undefined {
  const value = isObject(body) ? body[root] : undefined;
  return isObject(value) && Object.keys(value).length > 0 ? value : undefined;
}

/** Reads a scalar as Rails would store it in a text column; undefined when the key was not sent. */
export function asText(value: unknown): string | null | undefined {
  if (value === undefined) return undefined;
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : null;
}

/** Reads a flag that may come as a JSON boolean or as text. */
export function asFlag(value: unknown): boolean {
  return value === true || value === 'true' || value === '1' || value === 1;
}

/** Reads a whole number from JSON or text; undefined for anything else. */
export function asInteger(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : undefined;
}
