/** Owns the translation of a step into one call of the Maxio client, and of its answer into memory. Refuses errors and records (act.ts). */
import type { MaxioLink } from '../directory/record.ts';
import type { Subscription } from '../maxio/types.ts';
import type { Json } from '../scim/types.ts';
import type { ActParts } from './act.ts';
import { subscriptionReference } from './ghosts.ts';
import { confirm, presentFields } from './mapping.ts';
import type { Sale, Seen, Step } from './plan-types.ts';
import { cancellationMessage, linkCreated, rememberNew, updateRemembered, withProduct } from './remember.ts';
import type { Run } from './run.ts';

export interface Answer {
  /** The link after the answer, from the link as it was while the call was out. */
  link: (link: MaxioLink | undefined) => MaxioLink | undefined;
  audit: Record<string, Json>;
  /** Bring what this run has seen up to date. */
  see?: (seen: Seen) => void;
}

type SendParts = ActParts & { token: string };

/** Send the step. @throws MaxioError */
export async function send(run: Run, step: Step, parts: SendParts): Promise<Answer> {
  const { client, token, signal } = parts;
  const { mapped, mark } = run.desired;
  switch (step.kind) {
    case 'create-customer': {
      const sent = presentFields(mapped);
      const customer = await client.createCustomer(run.record.reference, sent, token, signal);
      return {
        link: () => linkCreated(customer, confirm({}, sent)),
        audit: { customer: customer.id, updatedAt: customer.updated_at },
      };
    }
    case 'create-with-subscription': {
      const sent = presentFields(mapped);
      const { customer, subscription } = await client.createSubscription(
        {
          ...saleOf(step, parts),
          reference: subscriptionReference(mark, token),
          customer: { kind: 'new', reference: run.record.reference, fields: sent },
        },
        token,
        signal,
      );
      return {
        link: () => linkCreated(customer, confirm({}, sent), subscription),
        audit: { customer: customer.id, subscription: subscription.id, updatedAt: subscription.updatedAt },
      };
    }
    case 'create-subscription': {
      const { subscription } = await client.createSubscription(
        {
          ...saleOf(step, parts),
          reference: subscriptionReference(mark, token),
          customer: { kind: 'existing', id: step.customerId },
        },
        token,
        signal,
      );
      return {
        link: (link) => link && { ...link, subscriptions: [...link.subscriptions, rememberNew(subscription)] },
        audit: { subscription: subscription.id, updatedAt: subscription.updatedAt },
        see: (seen) => seen.subscriptions?.value?.push(subscription),
      };
    }
    case 'update-customer': {
      const customer = await client.updateCustomer(step.customerId, step.fields, signal);
      return {
        link: (link) => {
          if (link === undefined) return undefined;
          const { inDoubt: _inDoubt, ...rest } = link;
          return { ...rest, confirmed: confirm(link.confirmed, step.fields) };
        },
        audit: { fields: Object.keys(step.fields), updatedAt: customer.updated_at },
      };
    }
    default:
      return await sendLifecycle(run, step, parts);
  }
}

function saleOf({ productHandle, pricePointHandle, paymentCollectionMethod }: Sale, site: SendParts) {
  return {
    productHandle,
    ...(pricePointHandle === undefined ? {} : { pricePointHandle }),
    paymentCollectionMethod: paymentCollectionMethod ?? site.paymentCollectionMethod,
  };
}

type LifecycleStep = Extract<Step, { target: string }>;

async function sendLifecycle(run: Run, step: LifecycleStep, parts: SendParts): Promise<Answer> {
  const { client, token, signal } = parts;
  const { id, generation } = run.record;
  switch (step.kind) {
    case 'cancel':
      return changed(
        step,
        await client.cancelSubscription(step.target, cancellationMessage(id, generation, token, run.desired.intent), signal),
      );
    case 'change-product':
      return changed(step, await client.changeProduct(step.target, step, signal));
    case 'hold':
      return changed(step, await client.hold(step.target, signal));
    case 'resume':
      return changed(step, await client.resume(step.target, signal));
    case 'reactivate':
      return changed(step, await client.reactivate(step.target, signal));
    case 'delay-cancel':
      await client.delayCancel(step.target, signal);
      return scheduled(step, true);
    case 'undo-delayed-cancel':
      await client.undoDelayedCancel(step.target, signal);
      return scheduled(step, false);
  }
}

/** The answer carries the subscription as it now is. */
function changed(step: LifecycleStep, subscription: Subscription): Answer {
  return {
    link: (link) =>
      link &&
      updateRemembered(remember(link, step, subscription.state), step.target, (known) => withProduct(known, subscription)),
    audit: {
      state: subscription.state,
      ...(step.kind === 'change-product' ? { product: subscription.productHandle ?? null } : {}),
      updatedAt: subscription.updatedAt,
    },
    see: (seen) => replaceSeen(seen, step.target, () => subscription),
  };
}

/** The answer is only a message; the state does not change before the period ends. */
function scheduled(step: LifecycleStep, ending: boolean): Answer {
  return {
    link: (link) => link && remember(link, step, undefined),
    audit: { ending },
    see: (seen) => replaceSeen(seen, step.target, (subscription) => ({ ...subscription, ending })),
  };
}

function remember(link: MaxioLink, step: LifecycleStep, state: string | undefined): MaxioLink {
  const undone = step.kind === 'resume' || step.kind === 'reactivate' || step.kind === 'undo-delayed-cancel';
  return updateRemembered(link, step.target, ({ endedBy, ...known }) => ({
    ...known,
    state: state ?? known.state,
    ...(undone || endedBy === undefined ? {} : { endedBy }),
  }));
}

function replaceSeen(seen: Seen, id: string, change: (subscription: Subscription) => Subscription): void {
  const list = seen.subscriptions?.value;
  const at = list?.findIndex((subscription) => subscription.id === id) ?? -1;
  const found = list?.[at];
  if (list !== undefined && found !== undefined) list[at] = change(found);
}
