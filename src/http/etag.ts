/**
 * Owns the conditional headers: what a version looks like on the wire, and whether a request names the current one.
 * Refuses to make versions (directory/version.ts). RFC 7644 §3.14, RFC 9110 §8.8.3, §13.1.1-2.
 * Versions are compared weakly in If-Match too: RFC 7644 has clients send back the weak one they were given, and a generation stands for one state.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isObject } from '../scim/json.ts';
import type { JsonObject } from '../scim/types.ts';

/** A quoted version, weak or not, or what a client has sent without quotes. */
const VERSION = /(?:W\/)?"[^"]*"|[^\s,]+/g;

/** The check of If-Match, for the write to make on the record it is decided on; undefined when the client does not ask for it. */
export function ifMatchOf(request: FastifyRequest): ((version: string) => boolean) | undefined {
  const header = request.headers['if-match'];
  return header === undefined ? undefined : matcherOf(header);
}

/** The same check for a version that a client has sent by other ways. */
export function matcherOf(sent: string): (version: string) => boolean {
  return (version) => names(sent, version);
}

/** The version stands in the resource itself, so that header and `meta.version` cannot differ. */
export function versionIn({ meta }: JsonObject): string {
  return isObject(meta) && typeof meta.version === 'string' ? meta.version : '';
}

/** Tells whether the client has this version already, by If-None-Match. */
export function isKnown(request: FastifyRequest, version: string): boolean {
  const header = request.headers['if-none-match'];
  return header !== undefined && names(header, version);
}

/** Answers 304 with the version and without a body. */
export async function notModified(reply: FastifyReply, version: string): Promise<FastifyReply> {
  return await reply.code(304).header('etag', version).send();
}

function names(header: string, version: string): boolean {
  if (header.trim() === '*') return true;
  const wanted = opaque(version);
  return (header.match(VERSION) ?? []).some((each) => opaque(each) === wanted);
}

function opaque(version: string): string {
  return version.replace(/^W\//, '').replaceAll('"', '');
}
