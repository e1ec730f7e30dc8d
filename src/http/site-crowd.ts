/**
 * Owns how many requests of one site may be under way in this process, so that a site whose client has gone wild cannot take the time and memory
 * of the others: requests, and among them those with large bodies and those with much to read, which is known before it is read.
 * Counted after authentication: nobody else can fill a site's share. Refuses to queue; the identity provider retries better than we could.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Weigh } from '../directory/shelf.ts';
import { Crowded } from './crowded.ts';
import type { ServerLimits } from './limits.ts';

type SiteLimits = Pick<ServerLimits, 'bodyBytes' | 'siteRequests' | 'siteLargeBodies' | 'siteLargeReads' | 'largeReadBytes'>;

/** @param siteKey of the authenticated caller @returns what is to be told of everything that is read for the request @throws Crowded */
type Admit = (siteKey: string, request: FastifyRequest, reply: FastifyReply) => Weigh;

/** Creates the check that lets a request in and counts it until its answer has been sent. */
export function createSiteCrowd(limits: SiteLimits): Admit {
  const requests = new Counts();
  const largeBodies = new Counts();
  const largeReads = new Counts();

  const scale = (siteKey: string, counted: Counts[], isOver: () => boolean): Weigh => {
    let bytes = 0;
    return (more) => {
      // Its places have been given back: what went on would be counted by nobody, or for ever.
      if (isOver()) throw gone();
      bytes += more;
      if (bytes <= limits.largeReadBytes || counted.includes(largeReads)) return;
      if (largeReads.of(siteKey) >= limits.siteLargeReads) {
        throw new Crowded(`${limits.siteLargeReads} requests of this SCIM connection with much to read are under way`);
      }
      largeReads.change(siteKey, 1);
      counted.push(largeReads);
    };
  };

  return (siteKey, request, reply) => {
    // Nothing will tell any more that it is over.
    if (request.raw.socket.destroyed) throw gone();
    const isLarge = mayBeLarge(request, limits.bodyBytes);
    if (requests.of(siteKey) >= limits.siteRequests) {
      throw new Crowded(`${limits.siteRequests} requests of this SCIM connection are under way`);
    }
    if (isLarge && largeBodies.of(siteKey) >= limits.siteLargeBodies) {
      throw new Crowded(`${limits.siteLargeBodies} large requests of this SCIM connection are under way`);
    }
    const counted = isLarge ? [requests, largeBodies] : [requests];
    for (const counts of counted) counts.change(siteKey, 1);
    let isOver = false;
    const over = (): void => {
      if (isOver) return;
      isOver = true;
      for (const counts of counted) counts.change(siteKey, -1);
    };
    reply.raw.once('finish', over).once('close', over);
    return scale(siteKey, counted, () => isOver);
  };
}

function gone(): Crowded {
  return new Crowded('nobody waits for the answer any more');
}

/** A body of unknown length may become as large as its route allows. */
function mayBeLarge(request: FastifyRequest, bodyBytes: number): boolean {
  const { headers } = request.raw;
  if (headers['transfer-encoding'] !== undefined) return (request.routeOptions.bodyLimit ?? 0) > bodyBytes;
  return Number(headers['content-length'] ?? 0) > bodyBytes;
}

class Counts {
  readonly #counts = new Map<string, number>();

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  change(key: string, by: 1 | -1): void {
    this.#counts.set(key, this.of(key) + by);
  }
}
