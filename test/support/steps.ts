/** Owns the steps that several end-to-end tests take with many people: let them join, let them leave as each identity provider says it. */
import { expect } from 'vitest';
import { oktaUser, patch, person } from './people.ts';
import type { Answer, Service } from './service.ts';

const AT_ONCE = 40;

async function inBatches<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE)
    results.push(...(await Promise.all(items.slice(at, at + AT_ONCE).map(work))));
  return results;
}

/** Let people number 1 to `count` join and settle. @returns their SCIM ids, in order */
export async function joinAll(service: Service, count: number, timeoutMs = 120_000): Promise<string[]> {
  const numbers = Array.from({ length: count }, (_, i) => i + 1);
  const answers = await inBatches(numbers, (n) => service.scim('POST', '/Users', oktaUser(person(n))));
  for (const answer of answers) expect(answer.status).toBe(201);
  await service.settled(timeoutMs);
  return answers.map(({ body }) => String(body.id));
}

/** How somebody leaves: Okta replaces the whole user, Entra changes one attribute, in its own spelling. */
export type Wording = 'okta' | 'entra';

export async function setActive(
  service: Service,
  ids: readonly string[],
  n: number,
  active: boolean,
  as: Wording,
): Promise<Answer> {
  const id = ids[n - 1] ?? expect.fail(`nobody has the number ${n}`);
  if (as === 'entra') {
    const value = active ? 'True' : 'False';
    return await service.scim('PATCH', `/Users/${id}`, patch({ op: 'Replace', path: 'active', value }));
  }
  return await service.scim('PUT', `/Users/${id}`, oktaUser(person(n), { id, active }));
}

/** Let many leave as fast as they can be told. */
export async function leaveAll(
  service: Service,
  ids: readonly string[],
  numbers: number[],
  as: (n: number) => Wording,
): Promise<void> {
  const answers = await inBatches(numbers, (n) => setActive(service, ids, n, false, as(n)));
  for (const answer of answers) {
    expect(answer.status).toBe(200);
    expect(answer.body.active).toBe(false);
  }
}
