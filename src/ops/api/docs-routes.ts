/** Owns where the OpenAPI document of the ops API is found: for programs as JSON, for people as a page. Refuses to know what is in it. */
import type { FastifyInstance } from 'fastify';
import { sendPage } from '../html.ts';
import { docsPage } from './docs-page.ts';
import { openApiOf } from './openapi.ts';
import type { ApiParts } from './route.ts';
import { ROUTES } from './table.ts';

/** Registers both, open to whoever may see anything. */
export function docsRoutes(app: FastifyInstance, { config }: ApiParts): void {
  const about = { version: config.version, url: config.publicUrl };
  const text = JSON.stringify(openApiOf(ROUTES, about));
  app.get('/openapi.json', async (_request, reply) => reply.type('application/json; charset=utf-8').send(text));
  app.get('/docs', async (_request, reply) => sendPage(reply, (nonce) => docsPage(nonce, ROUTES, about)));
}
