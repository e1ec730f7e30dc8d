/**
 * Owns what a list has to know of where resources of one type live; users and groups each have such a view of their store.
 * No behaviour. See list-resources.ts for what is done with it.
 */
import type { Filter } from '../scim/filter.ts';
import type { JsonObject } from '../scim/types.ts';

/** A record and its place in the order of creation. */
export interface Placed<R> {
  record: R;
  sequence: number;
}

/** Some records one after the other. */
export interface Stretch<R> {
  rows: Placed<R>[];
  /** Sequence number behind which to go on; undefined when nothing is further. */
  next: number | undefined;
}

/** What a resource should be complete in; whatever costs a look of its own is left out where this says no. */
export interface View {
  /** A core attribute that is not part of the record (`groups`, `members`, `members.display`), or the URN of an extension that is returned on request. */
  needs(part: string): boolean;
  /** The SCIM base URL, without a slash at the end. */
  baseUrl: string;
}

export interface Shelf<R extends { id: string }> {
  /** Count everything that can be listed. @param after only what comes behind this sequence number */
  count(after?: number): Promise<number>;
  /** Page in order of creation. @param start zero-based rank */
  page(start: number, count: number): Promise<Stretch<R>>;
  /** Walk in order of creation, from a sequence number on. */
  after(sequence: number, count: number): Promise<Stretch<R>>;
  /** Ids of all that can match a filter, each once, as an index knows them; undefined where no index can tell. */
  candidates(filter: Filter): Promise<string[] | undefined>;
  /** Places in the order of creation; null for what cannot be listed. */
  sequencesOf(ids: string[]): Promise<(number | null)[]>;
  /** Read what can be listed; ids without a record are left out. */
  readAll(ids: string[]): Promise<R[]>;
  /** Cuts records into portions whose resources may be in memory at once, where they can be much larger than their records; absent: all at once. */
  portions?(rows: Placed<R>[], view: View): Placed<R>[][];
  /** Resources as filters, orders and answers see them, one for each record. */
  resources(records: R[], view: View): Promise<JsonObject[]>;
}
