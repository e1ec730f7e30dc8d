/**
 * Owns the HTTP side of the sandbox: the routes of the API and a parser that is as indifferent to bodies as Maxio is.
 * Refuses to answer by itself: every request on the Maxio paths, known or not, goes through the exchange and into the ledger.
 */
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { customerListRoute } from './customer-list.ts';
import { customerRoutes } from './customers.ts';
import { eventRoutes } from './event-list.ts';
import { exchange, type Premises, UNREADABLE } from './exchange.ts';
import type { LedgerEntry } from './ledger.ts';
import { lifecycleRoutes } from './lifecycle.ts';
import { pauseRoutes } from './pauses.ts';
import { productRoutes } from './products.ts';
import type { Route } from './site.ts';
import { siteRoutes } from './site-reads.ts';
import { subscriptionCreateRoute } from './subscription-create.ts';
import { subscriptionListRoute } from './subscription-list.ts';
import { subscriptionRoutes } from './subscriptions.ts';
import { webhookRoutes } from './webhook-routes.ts';

const ROUTES: readonly Route[] = [
  ...customerRoutes,
  customerListRoute,
  ...subscriptionRoutes,
  subscriptionListRoute,
  subscriptionCreateRoute,
  ...lifecycleRoutes,
  ...pauseRoutes,
  ...siteRoutes,
  ...productRoutes,
  ...eventRoutes,
  ...webhookRoutes,
];

export const CONTROL_PREFIX = '/__sandbox';

/** Turns a documented path into the router's spelling; ids are digits, anything else is an unknown path. */
function routePath(template: string): string {
  return template.replaceAll(/\{(\w+)\}/g, (_all, name: string) => (name === 'id' ? ':id(^\\d+)' : `:${name}`));
}

/** Builds the server of a site, not yet listening and without its control plane. */
export function buildServer(premises: Premises, logger: boolean): FastifyInstance {
  const app = Fastify({
    logger,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 500 },
  });
  const entries = new WeakMap<FastifyRequest, LedgerEntry>();
  const templates = new Map(ROUTES.map((route) => [`${route.method} ${routePath(route.template)}`, route.template]));

  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (request, text, done) => {
    // Maxio reads JSON only; what comes in another type is as good as no body.
    if (!/[/+]json\b/i.test(request.headers['content-type'] ?? '') || text === '') return done(null, undefined);
    try {
      done(null, JSON.parse(String(text)));
    } catch {
      done(null, UNREADABLE);
    }
  });

  // Arrival is noted before the body is read: a client that dies in the middle has arrived, too, and is let go when it closes.
  app.addHook('onRequest', async (request, reply) => {
    if (request.url.startsWith(`${CONTROL_PREFIX}/`)) return;
    const template = templates.get(`${request.method} ${request.routeOptions.url}`) ?? null;
    const entry = premises.ledger.arrive(request.method, request.url, template);
    entries.set(request, entry);
    reply.raw.once('close', () => {
      if (entries.has(request)) premises.ledger.leave(entry, reply.raw.writableFinished ? reply.raw.statusCode : null);
    });
  });

  const answerWith = (route: Route | undefined) => async (request: FastifyRequest, reply: Parameters<typeof exchange>[4]) => {
    const entry = entries.get(request);
    entries.delete(request);
    if (entry) await exchange(premises, route, entry, request, reply);
    else await reply.code(404).send();
  };
  for (const route of ROUTES) app.route({ method: route.method, url: routePath(route.template), handler: answerWith(route) });
  app.setNotFoundHandler(answerWith(undefined));
  return app;
}
