/** Owns the routes that erase one person, and let somebody in again who was erased. Refuses to decide who may be erased (survey/erasure.ts). */
import { z } from 'zod';
import { type ApiRoute, oneSite, route } from './route.ts';
import { shape, siteKey } from './shapes.ts';

const body = z.strictObject({ site: siteKey.optional(), id: z.string().min(1).max(100).describe('SCIM id.') });

export const erasureRoutes: ApiRoute[] = [
  route({
    method: 'POST',
    path: '/erase',
    group: 'Erasure',
    role: 'approver',
    summary: 'Erase one person from the directory, for ever',
    description:
      'Only somebody who is inactive or deleted, in step with Maxio, and not billed. Nothing is changed at Maxio. The answer says what stays and what is to be done by hand.',
    body,
    answer: shape(
      'Erased',
      z.object({
        site: z.string(),
        customer: z.string().nullable().describe('What is left at Maxio.'),
        groups: z.int().describe('Groups the person was in.'),
        stays: z.array(z.string()),
        byHand: z.array(z.string()),
      }),
    ),
    errors: {
      'unknown-person': [404, 'there is nobody of that id'],
      'still-active': [409, 'the person is active'],
      'not-settled': [409, 'something about the person is still to be done or decided'],
      'still-billed': [409, 'a subscription of the person goes on'],
      'erasure-key': [409, 'the process has no ERASURE_KEY, or another than people were erased with'],
    },
    logged: ({ groups }) => ({ groups }),
    async run({ body: { site: key, id }, operator, requestId, parts }) {
      const site = oneSite(parts, key);
      const { customerId, ...done } = await site.erasures.erase(id, { by: operator.name, requestId });
      return { site: site.key, customer: customerId ?? null, ...done };
    },
  }),
  route({
    method: 'POST',
    path: '/readmit',
    group: 'Erasure',
    role: 'approver',
    summary: 'Say that somebody who was erased is back, so that their customer at Maxio may be theirs again',
    body,
    answer: shape(
      'Readmitted',
      z.object({ site: z.string(), readmitted: z.boolean().describe('False: nobody like that was erased.') }),
    ),
    errors: { 'unknown-person': [404, 'there is nobody of that id'], 'erasure-key': [409, 'ERASURE_KEY is missing or another'] },
    logged: ({ readmitted }) => ({ readmitted }),
    async run({ body: { site: key, id }, operator, requestId, parts }) {
      const site = oneSite(parts, key);
      const word = await site.erasures.readmit(id, { by: operator.name, requestId });
      // A lost bell costs seconds: the sweep rings for everyone who is dirty.
      if (word === 'readmitted') await site.ring(id, 'normal').catch(() => undefined);
      return { site: site.key, readmitted: word === 'readmitted' };
    },
  }),
];
