/** Owns the observations a run can make, and what is remembered of them. Reads only; refuses to decide. */
import type { SurveyIndex } from '../directory/survey-index.ts';
import type { Lane } from '../maxio/budget.ts';
import type { MaxioClient } from '../maxio/client.ts';
import type { Caller } from './caller.ts';
import type { LookAt } from './plan-types.ts';
import { carriesMark, rememberSeen } from './remember.ts';
import type { Run } from './run.ts';

export interface LookParts {
  caller: Caller;
  client: MaxioClient;
  /** Absent: nobody surveys here, so nothing is known before a create. */
  index?: Pick<SurveyIndex, 'look'> | undefined;
  signal?: AbortSignal | undefined;
}

/** Observe the customer by reference, the subscriptions of the linked customer, whether a found customer carries our marks, or what the survey knows. */
export async function look(run: Run, at: LookAt, parts: LookParts): Promise<void> {
  if (at === 'index') {
    const { reference, corroboration } = run.desired;
    run.seen.index = (await parts.index?.look(reference, corroboration)) ?? { ready: false, strangers: [] };
    return;
  }
  const lane: Lane = run.desired.intent === 'inactive' ? 'urgent' : 'normal';
  const { caller, client, signal } = parts;
  const options = {
    operation: at === 'customer' ? 'look-up-customer' : 'list-subscriptions',
    lane,
    fences: run.fences(),
    signal,
  };
  if (at === 'customer') {
    const { value, atMs } = await caller.call(options, (stop) => client.lookupCustomer(run.record.reference, stop));
    run.seen.customer = { value, atMs };
    await run.learn(run.link, run.open, {
      kind: 'maxio',
      what: 'look-up-customer',
      result: value === undefined ? 'absent' : 'found',
    });
    return;
  }
  if (at === 'marks') {
    const found = run.seen.customer?.value;
    if (found === undefined) return;
    const { value: list = [] } = await caller.call(options, (stop) => client.listSubscriptions(found.id, stop));
    const value = list.some((subscription) => carriesMark(subscription, run.desired.mark, run.record.id));
    run.seen.marked = { value };
    await run.learn(run.link, run.open, {
      kind: 'maxio',
      what: 'list-subscriptions',
      result: value ? 'our mark' : 'no mark of ours',
    });
    return;
  }
  const { link } = run;
  if (link === undefined) return;
  const { value, atMs } = await caller.call(options, (stop) => client.listSubscriptions(link.customerId, stop));
  run.seen.subscriptions = { value, atMs };
  const remembered = value === undefined ? link : rememberSeen(link, value, run.desired.mark, run.record.id);
  const result = value === undefined ? 'unknown customer' : value.map(({ id, state }) => `${id} ${state}`).join(', ');
  await run.learn(remembered, run.open, { kind: 'maxio', what: 'list-subscriptions', result });
}
