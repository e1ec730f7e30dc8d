/**
 * Owns how one operation of a bulk request is done: by the functions that serve a single request, in the name of the same caller and under the same
 * request id. Refuses to know order and references (scim/bulk).
 * Every operation asks anew whether the site takes changes. Those that come late are not begun: the client must read what was done of the others before
 * the answer as a whole is given up for it (`handler` in server.ts).
 */
import type { FastifyRequest } from 'fastify';
import { groupVersion } from '../directory/group-resource.ts';
import type { UserRecord } from '../directory/record.ts';
import { DirectoryUnavailable } from '../directory/unavailable.ts';
import type { WriteContext } from '../directory/users.ts';
import type { BulkHands, ReadyWrite } from '../scim/bulk/run-bulk.ts';
import type { ScimError } from '../scim/error.ts';
import { Effort } from '../scim/patch/effort.ts';
import { GROUP, USER } from '../scim/schema.ts';
import type { JsonObject } from '../scim/types.ts';
import { answerTo } from './answer-error.ts';
import { matcherOf, versionIn } from './etag.ts';
import { leaves } from './leaves.ts';
import { bodyOf, callerOf, checkRoom, knownId } from './request-parts.ts';

interface Done {
  id: string;
  version?: string;
}

export interface BulkParts {
  baseUrl: string;
  /** How long further operations are taken up, in ms. */
  bulkMs: number;
  elapsedMs: () => number;
  /** Does anybody still wait for the answer? */
  isAwaited: () => boolean;
}

/** What people and groups have in common as things that are written. */
interface Resources<R> {
  create(body: JsonObject, context: WriteContext): Promise<R>;
  replace(id: string, body: JsonObject, context: WriteContext): Promise<R>;
  patch(id: string, body: JsonObject, context: WriteContext): Promise<R>;
  remove(id: string, context: WriteContext): Promise<void>;
}

/** What has been begun may take a little longer, so that it is rarely left half done. */
const COMPLETING_SHARE = 1.2;

export class BulkWrites implements BulkHands {
  readonly #request: FastifyRequest;
  readonly #parts: BulkParts;
  /** One for all operations: what they cost together keeps others waiting. */
  readonly #effort = new Effort();
  #retryAfterSeconds = 0;
  #putOff = false;

  constructor(request: FastifyRequest, parts: BulkParts) {
    this.#request = request;
    this.#parts = parts;
  }

  /** For the header, when an operation has been put off: the longest that any of them was told. */
  get retryAfter(): string | undefined {
    return this.#retryAfterSeconds === 0 ? undefined : String(this.#retryAfterSeconds);
  }

  async write(write: ReadyWrite): Promise<Done> {
    const { door, actor } = callerOf(this.#request);
    this.#checkTime(write.completes);
    checkRoom(door, write.method === 'DELETE' || (write.type === USER && leaves(write.method, write.data)));
    const context: WriteContext = {
      requestId: this.#request.id,
      actor,
      bulkOperation: write.number,
      effort: this.#effort,
      ...(write.version === undefined ? {} : { ifMatch: matcherOf(write.version) }),
    };
    if (write.type === GROUP) return await done(door.groups, write, context, async (record) => groupVersion(record));
    return await done(door.users, write, context, async (record) => await this.#versionOf(record));
  }

  refusal(thrown: unknown, operation: number): ScimError {
    const { error, headers, log } = answerTo(thrown, this.#request);
    // One line is enough of a Redis that is away: it is away for hundreds of operations.
    if (log === 'error' || (log === 'warn' && !this.#putOff))
      this.#request.log[log]({ err: thrown, operation }, 'bulk operation failed');
    if (log === 'warn') this.#putOff = true;
    this.#retryAfterSeconds = Math.max(this.#retryAfterSeconds, Number(headers['retry-after'] ?? 0));
    return error;
  }

  #checkTime(completes: boolean): void {
    const { elapsedMs, bulkMs, isAwaited } = this.#parts;
    if (!completes && !isAwaited()) throw new DirectoryUnavailable('nobody waits for the answer any more', 1);
    if (elapsedMs() >= (completes ? COMPLETING_SHARE * bulkMs : bulkMs))
      throw new DirectoryUnavailable('the time for one bulk request is over', 1);
  }

  async #versionOf(record: UserRecord): Promise<string> {
    const view = { baseUrl: this.#parts.baseUrl, needs: (part: string) => part === 'meta.version' };
    const [resource = {}] = await callerOf(this.#request).door.users.resources([record], view);
    return versionIn(resource);
  }
}

async function done<R extends { id: string }>(
  resources: Resources<R>,
  { method, id, data }: ReadyWrite,
  context: WriteContext,
  versionOf: (record: R) => Promise<string>,
): Promise<Done> {
  if (method === 'DELETE') {
    await resources.remove(knownId(id), context);
    return { id };
  }
  const body = bodyOf({ body: data });
  const record =
    method === 'POST'
      ? await resources.create(body, context)
      : await resources[method === 'PUT' ? 'replace' : 'patch'](knownId(id), body, context);
  const version = await versionOf(record).catch(unknownVersion);
  return { id: record.id, ...(version === undefined ? {} : { version }) };
}

/** What is done is done, whether or not its version can be told. */
function unknownVersion(error: unknown): undefined {
  if (!(error instanceof DirectoryUnavailable)) throw error;
}
