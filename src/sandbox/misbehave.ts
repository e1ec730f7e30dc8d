/**
 * Owns what each fault does to a request: what is answered in place of the truth, what is cut, what happens late.
 * Refuses to choose (faults.ts) and to touch sockets (exchange.ts); it only tells the ending.
 */
import { type Answer, accessDenied, htmlPage, notFound, refused, throttled } from './answers.ts';
import type { Fault, StruckFault } from './faults.ts';
import { isObject } from './site.ts';

export type Ending =
  | { kind: 'answer'; answer: Answer }
  /** The connection is cut without a byte of answer. */
  | { kind: 'drop' }
  /** The announced body is cut in the middle. */
  | { kind: 'cut'; answer: Answer };

/** What a fault may use of the exchange it is in. */
export interface Stage {
  /** Performs the request and answers truthfully. */
  act(): Answer;
  /** Performs the request and takes every effect back. */
  pretend(): Answer;
  /** Waits, in ms, or until released; throws when the sandbox closes. */
  pause(waitMs: number): Promise<void>;
  /** Cuts the connection now, while the work goes on. */
  drop(): void;
  /** Makes the code that a 429 shows. */
  supportCode(): string;
  readonly cutoffMs: number;
  readonly throttleAsJson: boolean;
}

const ACCOUNT_CANCELED = 'Your Chargify account has been canceled. Please contact support.';
const OVERSIZED_BYTES = 20_000_000;

const answer = (given: Answer): Ending => ({ kind: 'answer', answer: given });

type Misbehaviour = (stage: Stage, fault: StruckFault) => Ending | Promise<Ending>;

const misbehaviours: Record<Fault['kind'], Misbehaviour> = {
  'commit-then-drop': (stage) => {
    stage.act();
    return { kind: 'drop' };
  },
  'drop-before-commit': () => ({ kind: 'drop' }),
  'late-commit': async (stage, { chosenDelayMs }) => {
    stage.drop();
    await stage.pause(chosenDelayMs ?? stage.cutoffMs);
    stage.act();
    return { kind: 'drop' };
  },
  slow: async (stage, { chosenDelayMs }) => {
    await stage.pause(chosenDelayMs ?? stage.cutoffMs);
    return answer(stage.act());
  },
  stall: async (stage, { chosenDelayMs }) => {
    await stage.pause(chosenDelayMs ?? stage.cutoffMs);
    return { kind: 'drop' };
  },
  throttle: (stage, { retryAfter }) =>
    answer(throttled(stage.supportCode(), stage.throttleAsJson, retryAfter === undefined ? undefined : String(retryAfter))),
  'html-error': (stage, { status, commit }) => {
    if (commit) stage.act();
    return answer(htmlPage(status ?? 502));
  },
  'html-404': () => answer(htmlPage(404)),
  unauthorized: () => answer(accessDenied()),
  'account-block': (_stage, { message }) => answer(refused(message ?? ACCOUNT_CANCELED)),
  redirect: (_stage, { status, location }) =>
    answer({ ...notFound(), status: status ?? 302, headers: { location: location ?? 'https://elsewhere.invalid/' } }),
  'truncated-json': (stage) => {
    const given = stage.act();
    const whole = JSON.stringify(given.body) ?? '';
    return answer({ status: given.status, text: whole.slice(0, Math.floor(whole.length / 2)), contentType: 'application/json' });
  },
  'cut-body': (stage) => ({ kind: 'cut', answer: stage.act() }),
  'unknown-state': (stage, { state }) =>
    answer(reshape(stage.act(), (key, value) => (key === 'state' ? renamed(value, state) : value))),
  'odd-shape': (stage) => answer(addStrangeKeys(reshape(stage.act(), oddValue))),
  'missing-id': (stage) => answer(reshape(stage.act(), (key, value) => (key === 'id' ? undefined : value))),
  oversized: (stage, { bytes }) => {
    const text = `{"filler":"${'x'.repeat(Math.max(0, (bytes ?? OVERSIZED_BYTES) - 13))}"}`;
    return answer({ status: stage.act().status, text, contentType: 'application/json' });
  },
  'no-effect': (stage) => answer(stage.pretend()),
};

/** Performs a fault and tells how the request ends. */
export function misbehave(stage: Stage, fault: StruckFault): Ending | Promise<Ending> {
  return misbehaviours[fault.kind](stage, fault);
}

/** Rebuilds the JSON of an answer, value by value. */
function reshape(given: Answer, change: (key: string, value: unknown) => unknown): Answer {
  if (given.body === undefined) return given;
  const body: unknown = JSON.parse(JSON.stringify(given.body), (key, value: unknown) => change(key, value));
  return { ...given, body };
}

/** Renames a subscription's state; a customer's `state` is a part of the address, and two letters or null. */
function renamed(value: unknown, state: string | undefined): unknown {
  return typeof value === 'string' && /^[a-z_]{3,}$/.test(value) ? (state ?? 'quarantined') : value;
}

function oddValue(key: string, value: unknown): unknown {
  if (key === 'id' && typeof value === 'number') return String(value);
  return key === 'product' ? null : value;
}

function addStrangeKeys(given: Answer): Answer {
  return reshape(given, (key, value) =>
    (key === 'customer' || key === 'subscription') && isObject(value)
      ? { ...value, never_heard_of: { before: [1, null] } }
      : value,
  );
}
