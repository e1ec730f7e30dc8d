/**
 * Owns the operator page and its forms: sign in, sign out, retry one parked person. No script, no asset from anywhere, no framing.
 * Refuses forms that another site's page has sent. OWASP ASVS 5.0 chapter 3.4 (browser security headers).
 */
import { randomBytes } from 'node:crypto';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import type { HealthDesk } from './health.ts';
import { type OpsAuth, refuseOtherSites } from './ops-auth.ts';
import { ALWAYS } from './ops-error.ts';
import { opsPage, signInPage } from './page.ts';
import { listParked, retryParked } from './parked.ts';
import type { OpsSite } from './site-view.ts';

export interface PageParts {
  config: { version: string };
  sites: readonly OpsSite[];
  health: HealthDesk;
  auth: OpsAuth;
  onSignInFailed: () => void;
}

const PARKED_SHOWN_MAX = 100;

const signIn = z.object({ token: z.string() });
const retryForm = z.object({ site: z.string(), id: z.string() });

/** Registers the page under the prefix of its scope. */
export function pageRoutes(app: FastifyInstance, parts: PageParts): void {
  const { auth, sites } = parts;
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    async (_request: unknown, body: string | Buffer) => Object.fromEntries(new URLSearchParams(body.toString())),
  );

  app.get('/', async (request, reply) => {
    if (!auth.hasSession(request)) return sendPage(reply.code(401), (nonce) => signInPage(nonce, false));
    const { health, ready, readings } = await parts.health.picture();
    const parked = (await Promise.all(sites.map((site) => listParked(site, PARKED_SHOWN_MAX)))).flat().slice(0, PARKED_SHOWN_MAX);
    const parkedTotal = readings.reduce((sum, reading) => sum + reading.parked, 0);
    const { status, version } = health;
    return sendPage(reply, (nonce) => opsPage(nonce, { version, status, reasons: ready.reasons, readings, parked, parkedTotal }));
  });

  app.post('/sign-in', async (request, reply) => {
    refuseOtherSites(request);
    const form = signIn.safeParse(request.body);
    if (!form.success || !auth.isToken(form.data.token.trim())) {
      parts.onSignInFailed();
      request.log.warn('a sign-in to the operator page failed');
      return sendPage(reply.code(401), (nonce) => signInPage(nonce, true));
    }
    request.log.info('somebody signed in to the operator page');
    return reply.headers({ ...ALWAYS, 'set-cookie': auth.open() }).redirect('/ops', 303);
  });

  app.post('/sign-out', async (request, reply) => {
    refuseOtherSites(request);
    return reply.headers({ ...ALWAYS, 'set-cookie': auth.end(request) }).redirect('/ops', 303);
  });

  app.post('/retry', async (request, reply) => {
    const actor = auth.operator(request);
    const form = retryForm.safeParse(request.body);
    if (form.success) {
      const { site, id } = form.data;
      await retryParked(
        sites.filter(({ key }) => key === site),
        { ids: [id], actor, requestId: request.id },
      );
    }
    return reply.headers({ ...ALWAYS }).redirect('/ops', 303);
  });
}

function sendPage(reply: FastifyReply, page: (nonce: string) => string): FastifyReply {
  const nonce = randomBytes(16).toString('base64');
  const policy = `default-src 'none'; style-src 'nonce-${nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`;
  return reply
    .headers({ ...ALWAYS, 'content-security-policy': policy, 'x-frame-options': 'DENY' })
    .type('text/html; charset=utf-8')
    .send(page(nonce));
}
