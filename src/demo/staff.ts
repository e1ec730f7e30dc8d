/**
 * Owns two edits that a colleague makes at Maxio past the service: a customer is renamed and a subscription canceled, through the API with the site's key.
 * Refuses the control plane of the sandbox: what drift finds in the demo, it would find on a real site.
 */
import type { CustomerJson } from '../sandbox/customer-json.ts';
import type { SubscriptionJson } from '../sandbox/subscription-json.ts';
import type { Company } from './company.ts';
import { TOKENS } from './tokens.ts';

/** Makes the edits. @returns what was done, in words */
export async function editByHand(sandboxUrl: string, { edited: [renamed, canceled] }: Company): Promise<string[]> {
  const call = async <T>(method: string, path: string, body?: object): Promise<T> => {
    const answer = await fetch(sandboxUrl + path, {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(`${TOKENS.maxio}:x`).toString('base64')}`,
        'content-type': 'application/json',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} was answered ${answer.status}: ${text}`);
    return JSON.parse(text) as T;
  };
  const customerOf = async (email: string): Promise<CustomerJson> => {
    const found = await call<{ customer: CustomerJson }[]>('GET', `/customers.json?q=${encodeURIComponent(email)}`);
    const hit = found.find(({ customer }) => customer.email?.toLowerCase() === email);
    if (hit === undefined) throw new Error(`Maxio has no customer with the address ${email}`);
    return hit.customer;
  };

  const one = await customerOf(renamed.email);
  await call('PUT', `/customers/${one.id}.json`, { customer: { last_name: `${renamed.familyName}-Test` } });
  const other = await customerOf(canceled.email);
  const subscriptions = await call<{ subscription: SubscriptionJson }[]>('GET', `/customers/${other.id}/subscriptions.json`);
  const ended: number[] = [];
  for (const { subscription } of subscriptions) {
    if (subscription.state !== 'active') continue;
    await call('DELETE', `/subscriptions/${subscription.id}.json`);
    ended.push(subscription.id);
  }
  return [
    `By hand at Maxio: customer ${one.id} (${renamed.userName}) is called ${renamed.familyName}-Test now,`,
    `and subscription ${ended.join(', ')} of customer ${other.id} (${canceled.userName}) is canceled.`,
  ];
}
