/** Owns the routes that look after the service itself: the doctor, and whether messages arrive. Refuses to know what is examined or sent. */
import { z } from 'zod';
import { type ApiRoute, route, someSites } from './route.ts';
import { doctorCheck, shape, siteOnly } from './shapes.ts';

export const careRoutes: ApiRoute[] = [
  route({
    method: 'GET',
    path: '/doctor',
    group: 'Care',
    role: 'viewer',
    summary: 'Examine everything that must be right, each finding with its cure',
    description:
      'Costs up to two calls to each site, also while it is paused: they only read. Whoever asks at once shares one examination.',
    answer: shape('Doctor', z.object({ ok: z.boolean().describe('False when a check failed.'), checks: z.array(doctorCheck) })),
    async run({ parts }) {
      const checks = await parts.doctor();
      return { ok: checks.every(({ status }) => status !== 'fail'), checks };
    },
  }),
  route({
    method: 'POST',
    path: '/notices/test',
    group: 'Care',
    role: 'operator',
    summary: 'Send a test message through every channel',
    description: 'Channels are shared by all sites; the message names the site it was asked for, else the first one.',
    body: siteOnly,
    answer: shape(
      'NoticesTested',
      z.object({ sent: z.array(z.object({ channel: z.string(), ok: z.boolean(), detail: z.string() })) }),
    ),
    logged: ({ sent }) => ({ sent: sent.filter(({ ok }) => ok).length, failed: sent.filter(({ ok }) => !ok).length }),
    async run({ body, operator, requestId, parts }) {
      const [site] = someSites(parts, body.site);
      if (site === undefined) return { sent: [] };
      await site.runs.tell('', 0, { kind: 'operator', what: 'test-notices', actor: operator.name, requestId });
      return { sent: await site.notifier.test(operator.name) };
    },
  }),
];
