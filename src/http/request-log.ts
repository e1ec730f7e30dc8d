/**
 * Owns what is remembered of each request: one log line and one observation of the duration histogram.
 * Refuses to write query strings, bodies, headers and raw paths: a filter holds names and addresses (RFC 7644 §7.5.2). The route template
 * and the SCIM id are enough to find the rest in the audit trail.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Telemetry } from '../telemetry.ts';
import { isScimId } from './scim-id.ts';

/** Keeps a client's X-Request-Id when it is harmless in logs and headers, else mints one. */
export function requestIdOf(request: IncomingMessage): string {
  const sent = request.headers['x-request-id'];
  return typeof sent === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(sent) ? sent : randomUUID();
}

/** Creates the function that writes the line and the observation of one finished request. */
export function createRequestLog(
  telemetry: Pick<Telemetry, 'requestSeconds'>,
): (request: FastifyRequest, reply: FastifyReply) => void {
  return (request, reply) => {
    const route = request.routeOptions.url ?? 'unmatched';
    const site = request.caller?.door.key ?? '';
    const { method } = request;
    const status = reply.statusCode;
    const ms = Math.round(reply.elapsedTime * 10) / 10;
    telemetry.requestSeconds.observe(
      { http_request_method: method, http_route: route, http_response_status_code: String(status), site },
      reply.elapsedTime / 1_000,
    );
    // Probes and scrapes of a healthy service would drown everything else.
    const level = site === '' && status < 400 ? 'debug' : 'info';
    request.log[level]({ method, route, status, ms, site, ...scimIdOf(request) }, 'request');
  };
}

function scimIdOf(request: FastifyRequest): { scimId?: string } {
  const { id } = (request.params ?? {}) as { id?: unknown };
  return isScimId(id) ? { scimId: id } : {};
}
