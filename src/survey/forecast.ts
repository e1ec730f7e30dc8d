/**
 * Owns the forecast: what the plan would do for one person, found by running the real plan (provisioning/plan.ts) against a Maxio in thought (dry-maxio.ts).
 * No call leaves and nothing is written. It is as right as the last survey and our memory; the real run looks for itself before it acts.
 */
import type { UserRecord } from '../directory/record.ts';
import { intentOf } from '../directory/record.ts';
import { plan } from '../provisioning/plan.ts';
import type { Decision, Desired, Sale, Step } from '../provisioning/plan-types.ts';
import { desiredOf, type RunPolicy } from '../provisioning/run.ts';
import { DryMaxio, type Sight } from './dry-maxio.ts';

export const FORECAST_KINDS = [
  'nothing',
  'create',
  'create-with-subscription',
  'adopt',
  'adopt-with-subscription',
  'subscribe',
  'update',
  'change',
  'end',
  'return',
  'park',
  'held',
  'exempt',
  'wait',
] as const;
export type ForecastKind = (typeof FORECAST_KINDS)[number];

export interface ForecastStep {
  kind: Step['kind'];
  /** Subscription, or customer for steps about one; absent for what does not exist yet. */
  target?: string;
  productHandle?: string;
  /** Where a rule names one; else that of the site, or for a change of product the one that is there. */
  paymentCollectionMethod?: string;
  words: string;
}

export interface Forecast {
  kind: ForecastKind;
  steps: ForecastStep[];
  /** One sentence for people. */
  words: string;
  /** Why it would park or wait. */
  reason?: string;
  /** What would begin to be billed less, a month: of leavers and of held people. */
  monthlyCents: number;
}

/** More than any honest plan takes. */
const TURNS_MAX = 200;

/** What would happen to this person if a run began now and nothing failed. */
export function forecast(
  record: UserRecord,
  sight: Sight,
  policy: RunPolicy,
  clock: { nowMs: number; lastLossMs?: number | undefined; dataLossAtMs?: number | undefined },
): Forecast {
  const leaving = intentOf(record) === 'inactive';
  const atStake = leaving ? (record.monthlyCents ?? 0) : (record.loss?.monthlyCents ?? 0);
  if (leaving && record.leave?.state === 'exempt')
    return {
      kind: 'exempt',
      steps: [],
      words: 'Nothing: an operator has decided that this leave is not acted on.',
      monthlyCents: atStake,
    };
  if (leaving && record.leave?.state === 'held')
    return {
      kind: 'held',
      steps: [],
      words: 'Nothing before an operator approves or rejects this leave.',
      monthlyCents: atStake,
    };
  if (record.run?.outcome === 'parked') {
    const { reason = 'unknown', detail = '' } = record.run;
    return { kind: 'park', steps: [], words: `Parked: ${detail}`, reason, monthlyCents: 0 };
  }
  const desired = desiredOf(record, policy, { ...clock, groups: sight.groups ?? [] });
  const dry = new DryMaxio(record, desired, sight, { nowMs: clock.nowMs, unknownOutcomeMs: policy.unknownOutcomeMs });
  const imagined = imagine(desired, dry);
  const waits = Object.values(desired.lost ?? {}).find((loss) => typeof loss === 'string');
  return waits !== undefined && imagined.steps.length === 0 && imagined.end.kind === 'settle'
    ? { kind: waits, steps: [], words: LOSS_WAITS[waits], monthlyCents: atStake }
    : told(imagined, atStake);
}

const LOSS_WAITS = {
  held: 'Nothing before an operator approves or rejects the loss of a product that a group has taken away.',
  exempt: 'Nothing: an operator has decided that the loss of a product is not acted on.',
};

interface Imagined {
  steps: ForecastStep[];
  adopted: boolean;
  /** A leaver is left alone until then. */
  notBeforeMs?: number;
  end: Extract<Decision, { kind: 'settle' | 'wait' | 'retry' | 'park' }>;
}

function imagine(desired: Desired, dry: DryMaxio): Imagined {
  const steps: ForecastStep[] = [];
  let adopted = false;
  let early: { notBeforeMs?: number } = {};
  for (let turn = 0; turn < TURNS_MAX; turn += 1) {
    const decision = plan(desired, dry.known());
    switch (decision.kind) {
      case 'look':
        dry.look(decision.at);
        break;
      case 'note':
        adopted ||= decision.link !== undefined && decision.link.customerId !== dry.link?.customerId;
        dry.note(decision.link, decision.open);
        break;
      case 'step':
        if (dry.take(decision.step)) steps.push(stepOf(decision.step));
        break;
      case 'wait':
        // Grace and calm end by themselves; whoever asks wants to know what comes then.
        if (decision.reason !== 'grace' && decision.reason !== 'calm') return { steps, adopted, ...early, end: decision };
        early = { notBeforeMs: decision.untilMs };
        dry.waitUntil(decision.untilMs);
        break;
      default:
        return { steps, adopted, ...early, end: decision };
    }
  }
  return {
    steps,
    adopted,
    end: { kind: 'park', reason: 'defect', detail: 'The plan did not come to an end. Please report this.' },
  };
}

function told({ steps, adopted, notBeforeMs, end }: Imagined, atStake: number): Forecast {
  const words = [...(adopted ? ['link the customer that is already there'] : []), ...steps.map((step) => step.words)];
  if (end.kind !== 'settle') {
    const kind = end.kind === 'park' ? 'park' : 'wait';
    const before = words.length === 0 ? '' : `First ${words.join(', then ')}. `;
    return { kind, steps, words: `${before}${end.detail}`, reason: end.reason, monthlyCents: kind === 'wait' ? atStake : 0 };
  }
  const kind = kindOf(steps, adopted);
  const when = notBeforeMs === undefined ? '' : `not before ${new Date(notBeforeMs).toISOString()}, `;
  const sentence = words.length === 0 ? '' : when + words.join(', then ');
  return {
    kind,
    steps,
    words: sentence === '' ? 'Nothing: directory and Maxio agree.' : `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.`,
    monthlyCents: kind === 'end' ? atStake : 0,
  };
}

function kindOf(steps: ForecastStep[], adopted: boolean): ForecastKind {
  const has = (...kinds: Step['kind'][]): boolean => steps.some(({ kind }) => kinds.includes(kind));
  if (has('cancel', 'delay-cancel', 'hold')) return 'end';
  if (has('create-with-subscription')) return 'create-with-subscription';
  if (has('create-customer')) return 'create';
  if (adopted) return has('create-subscription') ? 'adopt-with-subscription' : 'adopt';
  if (has('reactivate', 'resume', 'undo-delayed-cancel')) return 'return';
  if (has('create-subscription')) return 'subscribe';
  if (has('change-product')) return 'change';
  return has('update-customer') ? 'update' : 'nothing';
}

function stepOf(step: Step): ForecastStep {
  const words = wordsOf(step);
  switch (step.kind) {
    case 'create-customer':
      return { kind: step.kind, words };
    case 'create-with-subscription':
      return { kind: step.kind, ...saleOf(step), words };
    case 'create-subscription':
      return { kind: step.kind, target: step.customerId, ...saleOf(step), words };
    case 'change-product':
      return { kind: step.kind, target: step.target, ...saleOf(step), words };
    case 'update-customer':
      return { kind: step.kind, target: step.customerId, words };
    default:
      return { kind: step.kind, target: step.target, words };
  }
}

function saleOf({
  productHandle,
  paymentCollectionMethod,
}: Sale): Pick<ForecastStep, 'productHandle' | 'paymentCollectionMethod'> {
  return { productHandle, ...(paymentCollectionMethod === undefined ? {} : { paymentCollectionMethod }) };
}

function saleWords({ productHandle, pricePointHandle, paymentCollectionMethod }: Sale): string {
  const price = pricePointHandle === undefined ? '' : `, price point ${pricePointHandle}`;
  return `${productHandle}${price}${paymentCollectionMethod === undefined ? '' : `, paid by ${paymentCollectionMethod}`}`;
}

function wordsOf(step: Step): string {
  switch (step.kind) {
    case 'create-customer':
      return 'create a customer';
    case 'create-with-subscription':
      return `create a customer with a subscription to ${saleWords(step)}`;
    case 'create-subscription':
      return `create a subscription to ${saleWords(step)}`;
    case 'change-product':
      return `change subscription ${step.target} to ${saleWords(step)}`;
    case 'update-customer':
      return `update ${Object.keys(step.fields).sort().join(', ')} of the customer`;
    case 'cancel':
      return `cancel subscription ${step.target}`;
    case 'delay-cancel':
      return `schedule the end of subscription ${step.target}`;
    case 'undo-delayed-cancel':
      return `take back the scheduled end of subscription ${step.target}`;
    case 'hold':
      return `put subscription ${step.target} on hold`;
    case 'resume':
      return `take subscription ${step.target} off hold`;
    case 'reactivate':
      return `reactivate subscription ${step.target}`;
  }
}
