/**
 * Owns the endpoints of SCIM that this service does not offer, so that each says so instead of being "not found".
 * RFC 7644 §3.11 (Me), §3.12 (501).
 */
import type { FastifyInstance } from 'fastify';
import { notOffered } from './refuse.ts';

/** Registers 501 for everything that is not offered. */
export function otherRoutes(app: FastifyInstance): void {
  notOffered(app, '/Me', 'There is no "me" for a provisioning token; use /Users with a filter.');
}
