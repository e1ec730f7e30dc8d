/**
 * Owns the endpoint of bulk requests: its limits, and how its answer looks. RFC 7644 §3.7.
 * Refuses to know in which order operations are done (scim/bulk) and what one does (bulk-writes.ts).
 * The answer is 200 whatever became of the operations, and tells it of each of them: those that could not be done for now say so with the status that a
 * single request would have had, and can be sent again.
 */
import type { FastifyInstance } from 'fastify';
import { groupLocation } from '../directory/group-resource.ts';
import { userLocation } from '../directory/user-resource.ts';
import { readBulk } from '../scim/bulk/read-bulk.ts';
import { type BulkOutcome, runBulk } from '../scim/bulk/run-bulk.ts';
import { BULK_LIMITS } from '../scim/bulk-limits.ts';
import { errorBody } from '../scim/error.ts';
import { DEPTH_MAX } from '../scim/json-scan.ts';
import { GROUP } from '../scim/schema.ts';
import type { JsonObject } from '../scim/types.ts';
import { BulkWrites } from './bulk-writes.ts';
import { refuseOtherMethods } from './refuse.ts';
import { bodyOf } from './request-parts.ts';
import { isScimId } from './scim-id.ts';

const BULK_RESPONSE_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:BulkResponse';

const { maxPayloadSize } = BULK_LIMITS;
const LIMITS = {
  bodyLimit: maxPayloadSize,
  config: {
    // How many operations there may be is said in words of its own, and members are counted where they are read.
    elementsMax: maxPayloadSize,
    // The message, its list and the operation stand around what a single request would have sent.
    depthMax: DEPTH_MAX + 3,
    tooLarge: `The request is larger than ${maxPayloadSize} bytes, the maxPayloadSize of bulk requests. Split it.`,
  },
};

/** Registers POST on /Bulk. */
export function bulkRoutes(app: FastifyInstance, parts: { baseUrl: string; bulkMs: number }): void {
  app.post('/Bulk', LIMITS, async (request, reply) => {
    const bulk = readBulk(bodyOf(request));
    const isAwaited = (): boolean => !reply.sent && !request.socket.destroyed;
    const writes = new BulkWrites(request, { ...parts, elapsedMs: () => reply.elapsedTime, isAwaited });
    const outcomes = await runBulk(bulk, writes);
    const failed = outcomes.filter(({ error }) => error !== undefined).length;
    request.log.info({ operations: bulk.operations.length, answered: outcomes.length, failed }, 'bulk');
    if (writes.retryAfter !== undefined) reply.header('retry-after', writes.retryAfter);
    return { schemas: [BULK_RESPONSE_SCHEMA], Operations: outcomes.map((outcome) => rowOf(outcome, parts.baseUrl)) };
  });
  refuseOtherMethods(app, '/Bulk', ['POST']);
}

function rowOf({ operation, status, about, version, error }: BulkOutcome, baseUrl: string): JsonObject {
  const { method, bulkId } = operation;
  const locationOf = about?.type === GROUP ? groupLocation : userLocation;
  return {
    ...(method === undefined ? {} : { method }),
    ...(bulkId === undefined ? {} : { bulkId }),
    ...(version === undefined ? {} : { version }),
    ...(about === undefined || !isScimId(about.id) ? {} : { location: locationOf(about.id, baseUrl) }),
    status: String(status),
    ...(error === undefined ? {} : { response: errorBody(error) }),
  };
}
