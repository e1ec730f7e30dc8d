/**
 * Owns which routes the people and machines on call have, and how each is protected: /livez, /readyz and /health are open and hold numbers,
 * fixed words and site keys only; /metrics and everything under /ops need the ops token. Refuses to share errors or tokens with the SCIM side.
 * OWASP ASVS 5.0, 13.4 (unintended information leakage).
 */
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Config } from '../config.ts';
import { registerApi } from './api/register.ts';
import type { ApiParts } from './api/route.ts';
import { freshly } from './freshly.ts';
import { createHealth, type HealthDesk, type HealthParts } from './health.ts';
import { scrape } from './metrics.ts';
import { createOpsAuth, type OpsAuth } from './ops-auth.ts';
import { ALWAYS, OpsError, sendOpsError } from './ops-error.ts';
import { pageRoutes } from './page-routes.ts';

export interface OpsParts extends HealthParts {
  config: Pick<Config, 'version' | 'role' | 'redisDurability' | 'publicUrl' | 'opsToken' | 'operators'> &
    Partial<Pick<Config, 'oauth'>>;
  doctor: ApiParts['doctor'];
}

/** Registers every operator route on the server. */
export async function registerOps(app: FastifyInstance, parts: OpsParts): Promise<void> {
  const { config, telemetry } = parts;
  const onFailure = (reason: 'ops' | 'throttled'): void => telemetry.authFailures.inc({ reason });
  const secure = config.publicUrl.startsWith('https:');
  const auth = createOpsAuth(config, { secure, onFailure });
  const health = createHealth(parts);

  await app.register(async (scope) => {
    scope.setErrorHandler(sendOpsError);
    machineRoutes(scope, parts, { health, auth });
  });
  await app.register(
    async (scope) => {
      scope.setErrorHandler(sendOpsError);
      scope.setNotFoundHandler((request, reply) => {
        const nothing = new OpsError(
          404,
          'not-found',
          'There is nothing at this path.',
          'Open /ops, or use the maxio-scim command.',
        );
        return sendOpsError(nothing, request, reply);
      });
      pageRoutes(scope, { ...parts, health, auth });
      await scope.register(
        async (api) => {
          api.addHook('onSend', async (_request, reply, payload) => {
            reply.headers(ALWAYS);
            return payload;
          });
          // It asks Maxio and the public address, so many who ask at once share one examination.
          registerApi(api, { ...parts, health, auth, doctor: freshly(parts.doctor) });
        },
        { prefix: '/api' },
      );
    },
    { prefix: '/ops' },
  );
}

function machineRoutes(scope: FastifyInstance, parts: OpsParts, { health, auth }: { health: HealthDesk; auth: OpsAuth }): void {
  scope.get('/livez', async (_request, reply) => {
    const { alive, beatAgeMs } = health.live();
    return send(reply, alive, 'application/json; charset=utf-8', {
      status: alive ? 'pass' : 'fail',
      beatAgeSeconds: Math.floor(beatAgeMs / 1_000),
    });
  });
  scope.get('/readyz', async (_request, reply) => {
    const { ready, reasons, sites } = await health.ready();
    return send(reply, ready, 'application/json; charset=utf-8', { status: ready ? 'pass' : 'fail', reasons, sites });
  });
  scope.get('/health', async (_request, reply) => {
    const { health: body } = await health.picture();
    return send(reply, body.status !== 'fail', 'application/health+json; charset=utf-8', body);
  });
  scope.get('/metrics', async (request, reply) => {
    auth.operator(request);
    const text = await scrape(parts, await health.picture());
    return reply.headers(ALWAYS).type(parts.telemetry.registry.contentType).send(text);
  });
}

function send(reply: FastifyReply, good: boolean, type: string, body: object): FastifyReply {
  return reply
    .code(good ? 200 : 503)
    .headers(ALWAYS)
    .type(type)
    .send(JSON.stringify(body));
}
