/**
 * Owns the polite noes: 405 with Allow for a known path, 404 for an unknown one, 501 for parts of SCIM that are not offered.
 * Refuses to read bodies: every no is given in `onRequest`, after authentication and before parsing. RFC 7644 §3.12, RFC 9110 §15.5.6.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ScimError } from '../scim/error.ts';

/** Answers 405 on `url` to every method that has no route there; call it after the routes. */
export function refuseOtherMethods(app: FastifyInstance, url: string, allowed: readonly string[]): void {
  const offered = allowed.includes('GET') ? ['GET', 'HEAD', ...allowed.filter((method) => method !== 'GET')] : [...allowed];
  refuse(app, url, offered, (request, reply) => {
    reply.header('allow', offered.join(', '));
    return new ScimError(405, `${request.method} is not possible here. Allowed: ${offered.join(', ')}.`);
  });
}

/** Answers 501 on `url` to every method except those that `served` names. */
export function notOffered(app: FastifyInstance, url: string, detail: string, served: readonly string[] = []): void {
  refuse(app, url, served, () => new ScimError(501, detail));
}

/** Says in a sentence what is wrong with a path that no route knows. */
export function unknownPath(prefix: string, url: string): ScimError {
  const path = url.split('?', 1)[0] ?? '';
  if (/^\/scim\/v(?!2(?:\/|$))\d/i.test(path)) {
    return new ScimError(400, `This is a SCIM 2.0 service; its base path is ${prefix}.`, 'invalidVers');
  }
  return new ScimError(
    404,
    `There is no such endpoint. The SCIM base path is ${prefix}; users are at ${prefix}/Users, with a capital U.`,
  );
}

function refuse(
  app: FastifyInstance,
  url: string,
  served: readonly string[],
  reason: (request: FastifyRequest, reply: FastifyReply) => ScimError,
): void {
  app.route({
    method: app.supportedMethods.filter((method) => !served.includes(method)),
    url,
    exposeHeadRoute: false,
    onRequest: (request, reply, done) => done(reason(request, reply)),
    handler: async () => undefined,
  });
}
