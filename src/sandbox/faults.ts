/**
 * Owns the list of armed faults: which request they hit, how often, and with what chance.
 * Refuses to perform them (misbehave.ts). The first armed fault that matches wins; without `times` a fault stays until it is cleared.
 */
import { z } from 'zod';
import type { LedgerEntry } from './ledger.ts';
import { seededRandom } from './random.ts';

/**
 * | kind | the write takes effect | the client sees |
 * |---|---|---|
 * | commit-then-drop | yes | the connection cut |
 * | drop-before-commit | no | the connection cut |
 * | late-commit | yes, after the delay | the connection cut at once |
 * | slow | yes, after the delay, even when the client has gone | the right answer, late |
 * | stall | no | nothing for the delay, then the connection cut |
 * | throttle | no | 429, with `retryAfter` if given |
 * | html-error | only with `commit` | `status` (default 502) with an HTML page |
 * | html-404 | no | 404 with an HTML page |
 * | unauthorized | no | 401 though the key is right |
 * | account-block | no | 422 that speaks of the account (`message`) |
 * | redirect | no | `status` (default 302) to `location` |
 * | truncated-json | yes | the right status and half of the JSON |
 * | cut-body | yes | half of the announced body, then the connection cut |
 * | unknown-state | yes | subscriptions in a state nobody knows (`state`) |
 * | odd-shape | yes | ids as strings, keys never heard of, product null |
 * | missing-id | yes | the right answer without its ids |
 * | oversized | yes | the right status and `bytes` (default 20 MB) of JSON |
 * | no-effect | no | the answer of success |
 *
 * The delay is `delayMs`, or random from `minDelayMs` to `maxDelayMs`, or the site's cut-off; a release ends it at once.
 */
export const FAULT_KINDS = [
  'commit-then-drop',
  'drop-before-commit',
  'late-commit',
  'slow',
  'stall',
  'throttle',
  'html-error',
  'html-404',
  'unauthorized',
  'account-block',
  'redirect',
  'truncated-json',
  'cut-body',
  'unknown-state',
  'odd-shape',
  'missing-id',
  'oversized',
  'no-effect',
] as const;

export const faultSchema = z
  .strictObject({
    match: z
      .strictObject({
        method: z.string().optional(),
        /** A documented path with `{id}` in it, or a regular expression on the path without the query. */
        path: z.string().optional(),
        /** Text that must occur in the URL or in the JSON of the body. */
        contains: z.string().optional(),
      })
      .optional(),
    kind: z.enum(FAULT_KINDS),
    /** How many requests it hits before it is used up. */
    times: z.int().min(1).optional(),
    /** How many matching requests it lets pass first. */
    after: z.int().min(0).optional(),
    delayMs: z.number().min(0).optional(),
    /** With `maxDelayMs`: a random delay in place of `delayMs`. */
    minDelayMs: z.number().min(0).optional(),
    maxDelayMs: z.number().min(0).optional(),
    probability: z.number().min(0).max(1).optional(),
    seed: z.int().optional(),
    status: z.int().min(200).max(599).optional(),
    commit: z.boolean().optional(),
    retryAfter: z.union([z.string(), z.number()]).optional(),
    message: z.string().optional(),
    state: z.string().optional(),
    location: z.string().optional(),
    bytes: z.int().min(1).optional(),
  })
  .superRefine((fault, context) => {
    const path = fault.match?.path;
    if (path === undefined || path.includes('{')) return;
    try {
      RegExp(path);
    } catch {
      context.addIssue({
        code: 'custom',
        path: ['match', 'path'],
        message: 'is neither a path template nor a regular expression',
      });
    }
  });

export type Fault = z.input<typeof faultSchema>;

/** A fault that has chosen a request. */
export interface StruckFault extends Fault {
  /** The delay of this hit, in ms; undefined when none was asked for. */
  chosenDelayMs: number | undefined;
}

interface Armed {
  id: string;
  fault: Fault;
  hits: number;
  passed: number;
  random: () => number;
}

function matches({ match }: Fault, entry: LedgerEntry): boolean {
  if (!match) return true;
  if (match.method !== undefined && match.method.toUpperCase() !== entry.method) return false;
  if (match.path !== undefined) {
    const [pathname = ''] = entry.path.split('?', 1);
    const hit = match.path === entry.template || (!match.path.includes('{') && RegExp(match.path).test(pathname));
    if (!hit) return false;
  }
  if (match.contains === undefined) return true;
  return entry.path.includes(match.contains) || (JSON.stringify(entry.body) ?? '').includes(match.contains);
}

export class Faults {
  readonly #seed: number;
  #armed: Armed[] = [];
  #count = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Arms a fault and names it. Throws ZodError when it makes no sense. */
  arm(fault: Fault): string {
    const checked = faultSchema.parse(fault) as Fault;
    const id = `fault-${++this.#count}`;
    const random = seededRandom(checked.seed ?? this.#seed + this.#count);
    this.#armed.push({ id, fault: checked, hits: 0, passed: 0, random });
    return id;
  }

  clear(): void {
    this.#armed = [];
  }

  /** Lists the armed faults with the number of their hits. */
  list(): { id: string; hits: number; fault: Fault }[] {
    return this.#armed.map(({ id, hits, fault }) => ({ id, hits, fault }));
  }

  /** Chooses the fault that hits a request, and counts the hit. */
  strike(entry: LedgerEntry): StruckFault | undefined {
    for (const armed of this.#armed) {
      const { fault } = armed;
      if (armed.hits >= (fault.times ?? Number.POSITIVE_INFINITY) || !matches(fault, entry)) continue;
      if (armed.passed < (fault.after ?? 0)) {
        armed.passed += 1;
        continue;
      }
      if (fault.probability !== undefined && armed.random() >= fault.probability) continue;
      armed.hits += 1;
      return { ...fault, chosenDelayMs: chooseDelay(fault, armed.random) };
    }
    return undefined;
  }
}

function chooseDelay({ delayMs, minDelayMs, maxDelayMs }: Fault, random: () => number): number | undefined {
  if (maxDelayMs === undefined) return delayMs ?? minDelayMs;
  const fromMs = minDelayMs ?? 0;
  return fromMs + random() * Math.max(0, maxDelayMs - fromMs);
}
