/**
 * Owns in which order the operations of a bulk request are done, and what becomes of those that refer to each other. One after the other, in the order
 * sent; only what is referred to comes first. A failure is the failure of one operation, and of those that need what it would have made.
 * Refuses to know what an operation does. RFC 7644 §3.7.1 (references that go round), §3.7.3 (failures).
 * Where creations refer to each other, one of them is made without the reference and gets it as soon as the other is there.
 */
import { echo, invalidValue, ScimError } from '../error.ts';
import type { ResourceType } from '../schema.ts';
import type { JsonObject } from '../types.ts';
import { type BulkOperation, type BulkRequest, type BulkWrite, isCreation } from './read-bulk.ts';
import { completion, referencesIn, referredTo, withoutReferencesTo, withReferences } from './references.ts';

/** What came of one operation. */
export interface BulkOutcome {
  operation: BulkOperation;
  status: number;
  /** The resource it was about, where that is known; of a creation, what was made. */
  about?: { type: ResourceType; id: string };
  version?: string;
  error?: ScimError;
}

/** One write that is ready to be done: no reference is left in it. */
export interface ReadyWrite extends BulkWrite {
  /** Of its operation. */
  number: number;
  /** Brings what an earlier write of the same operation has left out. */
  completes: boolean;
}

export interface BulkHands {
  /** Does one write. @throws whatever a single request would be refused with */
  write(write: ReadyWrite): Promise<{ id: string; version?: string }>;
  /** Says what a client is told of something thrown. */
  refusal(thrown: unknown, operation: number): ScimError;
}

const DONE_STATUS = { POST: 201, PUT: 200, PATCH: 200, DELETE: 204 } as const;

/** Does every operation; the outcomes come in the order of the request, without those that `failOnErrors` has left alone. */
export async function runBulk(request: BulkRequest, hands: BulkHands): Promise<BulkOutcome[]> {
  const run = new BulkRun(request, hands);
  for (const operation of request.operations) await run.root(operation);
  return run.outcomes();
}

interface Incomplete {
  operation: BulkOperation;
  type: ResourceType;
  id: string;
  later: JsonObject;
}

class BulkRun {
  readonly #request: BulkRequest;
  readonly #hands: BulkHands;
  readonly #creations: ReadonlyMap<string, BulkOperation>;
  readonly #outcomes = new Map<BulkOperation, BulkOutcome>();
  readonly #started = new Set<BulkOperation>();
  /** bulkId to id, of everything that was made. */
  readonly #ids = new Map<string, string>();
  #incomplete: Incomplete[] = [];
  #errors = 0;

  constructor(request: BulkRequest, hands: BulkHands) {
    this.#request = request;
    this.#hands = hands;
    this.#creations = new Map(request.operations.filter(isCreation).map((operation) => [operation.bulkId, operation]));
  }

  /** Does one operation and what it refers to, and then completes what had to be made without its references. */
  async root(operation: BulkOperation): Promise<void> {
    await this.#once(operation);
    for (const incomplete of this.#incomplete.splice(0)) await this.#complete(incomplete);
  }

  outcomes(): BulkOutcome[] {
    return this.#request.operations.map((operation) => this.#outcomes.get(operation)).filter((outcome) => outcome !== undefined);
  }

  get #isOver(): boolean {
    return this.#errors >= (this.#request.failOnErrors ?? Number.POSITIVE_INFINITY);
  }

  async #once(operation: BulkOperation): Promise<void> {
    if (this.#isOver || this.#started.has(operation)) return;
    this.#started.add(operation);
    const { wanted } = operation;
    if (wanted instanceof ScimError) {
      this.#failed({ operation }, wanted);
      return;
    }
    const refersTo = referencesOf(wanted);
    const unknown = refersTo.find((bulkId) => !this.#creations.has(bulkId));
    if (unknown !== undefined) {
      this.#failed({ operation }, invalidValue(`No operation of this request creates the bulkId ${echo(unknown)}. Correct it.`));
      return;
    }
    for (const bulkId of refersTo) {
      const creation = this.#creations.get(bulkId);
      if (creation !== undefined) await this.#once(creation);
      if (this.#isOver) return;
    }
    const failure = this.#failureAmong(refersTo);
    if (failure === undefined) await this.#write(operation, wanted, refersTo);
    else this.#failed({ operation }, failure);
  }

  /** @param refersTo made, or about to be: an operation further up waits for this one */
  async #write(operation: BulkOperation, wanted: BulkWrite, refersTo: readonly string[]): Promise<void> {
    const { method, type, data } = wanted;
    const absent = new Set(refersTo.filter((bulkId) => !this.#ids.has(bulkId)));
    const id = this.#idIn(wanted);
    const parts = data !== undefined && absent.size > 0 ? withoutReferencesTo(data, absent) : { now: data, later: undefined };
    const now = parts.now === undefined ? undefined : withReferences(parts.now, (bulkId) => this.#ids.get(bulkId) ?? '');
    try {
      const done = await this.#hands.write({ ...wanted, id, data: now, number: operation.number, completes: false });
      if (isCreation(operation)) this.#ids.set(operation.bulkId, done.id);
      const version = done.version === undefined ? {} : { version: done.version };
      this.#outcomes.set(operation, { operation, status: DONE_STATUS[method], about: { type, id: done.id }, ...version });
      if (parts.later !== undefined) this.#incomplete.push({ operation, type, id: done.id, later: parts.later });
    } catch (error) {
      const about = method === 'POST' ? {} : { about: { type, id } };
      this.#failed({ operation, ...about }, this.#hands.refusal(error, operation.number));
    }
  }

  async #complete({ operation, type, id, later }: Incomplete): Promise<void> {
    const about = { type, id };
    const { number } = operation;
    const failure = this.#failureAmong(referencesIn(later));
    try {
      if (failure !== undefined) throw failure;
      const data = completion(withReferences(later, (bulkId) => this.#ids.get(bulkId) ?? ''));
      const { version } = await this.#hands.write({
        method: 'PATCH',
        type,
        id,
        data,
        version: undefined,
        number,
        completes: true,
      });
      this.#outcomes.set(operation, { operation, status: 201, about, ...(version === undefined ? {} : { version }) });
    } catch (error) {
      const { status, detail, scimType } = this.#hands.refusal(error, number);
      const left = `It was created, but without what refers to another operation. Send that as a PATCH of its location. The reason: ${detail}`;
      this.#failed({ operation, about }, new ScimError(status, left, scimType, { cause: error }));
    }
  }

  /** @param refersTo operations that have had their turn, or wait for this one */
  #failureAmong(refersTo: readonly string[]): ScimError | undefined {
    for (const bulkId of refersTo) {
      if (this.#ids.has(bulkId)) continue;
      const creation = this.#creations.get(bulkId);
      const outcome = creation === undefined ? undefined : this.#outcomes.get(creation);
      if (outcome?.error !== undefined) return notMade(bulkId, outcome.error);
      // Left alone by failOnErrors; whoever still waits further up has no outcome either, but only while this one is being made.
      if (this.#isOver) return new ScimError(409, `bulkId ${echo(bulkId)} was not created: failOnErrors has ended the request.`);
    }
    return undefined;
  }

  #idIn({ id }: BulkWrite): string {
    const bulkId = referredTo(id);
    return bulkId === undefined ? id : (this.#ids.get(bulkId) ?? '');
  }

  #failed(outcome: Omit<BulkOutcome, 'status' | 'error'>, error: ScimError): void {
    this.#errors += 1;
    this.#outcomes.set(outcome.operation, { ...outcome, status: error.status, error });
  }
}

function referencesOf({ id, data }: BulkWrite): string[] {
  const inPath = referredTo(id);
  const inData = data === undefined ? [] : referencesIn(data);
  return inPath === undefined ? inData : [...new Set([inPath, ...inData])];
}

/** What was refused for now is refused for now to those who need it, too; everything else is a conflict (RFC 7644 §3.7.1). */
function notMade(bulkId: string, { status }: ScimError): ScimError {
  const isForNow = status === 429 || status >= 500;
  const cure = isForNow ? 'Send both again.' : 'Correct that one, or refer to the id of what exists already.';
  return new ScimError(isForNow ? status : 409, `bulkId ${echo(bulkId)} was not created, as its own operation says. ${cure}`);
}
