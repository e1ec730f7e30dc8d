/**
 * Owns what a list has to know of where resources of one type live; users and groups each have such a view of their store.
 * No behaviour. See list-resources.ts for what is done with it.
 */
import type { Filter } from '../scim/filter.ts';
import type { JsonObject } from '../scim/types.ts';
import type { Place } from './stretch.ts';

/** A record and its place in the order of creation. */
export interface Placed<R> {
  record: R;
  sequence: number;
  /** About how large it is in an answer. */
  bytes: number;
}

/** Some records one after the other: as many as were wanted, and fewer where they are large. */
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

/** Told before something is read how large it is. @throws where too much would be under way at once */
export type Weigh = (bytes: number) => void;

export interface Shelf<R extends { id: string }> {
  /** Count everything that can be listed. @param after only what comes behind this sequence number */
  count(after?: number): Promise<number>;
  /** Page in order of creation. @param start zero-based rank */
  page(start: number, count: number, weigh?: Weigh): Promise<Stretch<R>>;
  /** Walk in order of creation, from a sequence number on. */
  after(sequence: number, count: number, weigh?: Weigh): Promise<Stretch<R>>;
  /** Ids of all that can match a filter, each once, as an index knows them; undefined where no index can tell. */
  candidates(filter: Filter): Promise<string[] | undefined>;
  /** Places in the order of creation; what cannot be listed is left out. */
  placesOf(ids: string[]): Promise<Place[]>;
  /** Read what can be listed; ids without a record are left out. */
  readAll(ids: string[]): Promise<R[]>;
  /** Cuts records into portions whose resources may be in memory at once, where they can be much larger than their records; absent: all at once. */
  portions?(rows: Placed<R>[], view: View): Placed<R>[][];
  /** Resources as filters, orders and answers see them, one for each record. */
  resources(records: R[], view: View): Promise<JsonObject[]>;
}
