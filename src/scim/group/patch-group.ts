/**
 * Owns PATCH of a group: changes of attributes on a draft, and changes of membership as who joins and who goes, so that two clients who change
 * different members at once both have their way. All or nothing; an error names its operation. Refuses to know the store and who exists.
 * RFC 7644 §3.5.2. Members are whole: what is told of one (`display`, `$ref`, `type`) is ours, so a path below a member changes nothing.
 */
import { invalidValue, mutability, ScimError } from '../error.ts';
import { type Filter, matches } from '../filter.ts';
import { isObject, isUnassigned } from '../json.ts';
import { applyOperation, type Operation } from '../patch/apply-operation.ts';
import { Effort } from '../patch/effort.ts';
import { eachOperation } from '../patch.ts';
import { type PatchPath, parsePath } from '../path.ts';
import { GROUP } from '../schema.ts';
import { CORE_GROUP, type GroupAttributes, type Json, type JsonObject } from '../types.ts';
import { readPatchedGroup } from './read-group.ts';
import { MEMBERS_SENT_MAX, readMembers } from './read-members.ts';

export interface PatchedGroup {
  attributes: GroupAttributes;
  members: { replace: boolean; add: string[]; remove: string[] };
  /** An operation chooses members by what cannot be told without reading them: apply again, with them. */
  needsMembers: boolean;
  /** Says which operation brings somebody in, for an error about that person: `Operation 2 of 3: `. */
  bringing: (id: string) => string;
}

const MEMBERS_PATH = /^(?:urn:ietf:params:scim:schemas:core:2\.0:Group[:.])?members(?=$|[.[])/i;

/**
 * Applies a PatchOp body; `current` is never changed. Throws ScimError 400 (its detail names the operation), and 413 for more than 1,000 operations
 * or too much to compare: a few filters over the largest group, or hundreds over a usual one. Both clients name members by their ids, which compares nothing.
 * @param present the members as they are shown, where a first attempt has asked for them
 */
export function applyGroupPatch(
  current: GroupAttributes,
  body: JsonObject,
  own: { id: string; present?: readonly JsonObject[]; effort?: Effort },
): PatchedGroup {
  const draft: JsonObject = structuredClone(current);
  const { effort = new Effort() } = own;
  const members = new MemberChanges(own.present, effort);
  let total = 0;
  eachOperation(body, (operation) => {
    total += 1;
    members.begin(total);
    for (const part of partsOf(operation)) {
      if (isAboutMembers(part.path)) {
        effort.path(part.path);
        members.apply(part, parsePath(part.path, [], GROUP));
      } else applyOperation(draft, part, { id: own.id, type: GROUP, effort });
    }
  });
  return {
    attributes: readPatchedGroup(draft),
    members: members.delta(),
    needsMembers: members.needsPresent,
    bringing: (id) => `Operation ${members.broughtBy(id)} of ${total}: `,
  };
}

function isAboutMembers(path: string | undefined): path is string {
  return path !== undefined && MEMBERS_PATH.test(path.trim());
}

/** Takes a value without a path, or under the core schema, apart where it speaks of members beside other attributes. */
function partsOf(operation: Operation): Operation[] {
  const { op, path, value } = operation;
  const isWhole = path === undefined || path.trim().toLowerCase() === CORE_GROUP.toLowerCase();
  if (!isWhole || op === 'remove' || !isObject(value)) return [operation];
  return Object.entries(value).flatMap(([key, inner]) => {
    if (key.toLowerCase() === CORE_GROUP.toLowerCase() && isObject(inner)) return partsOf({ op, path: undefined, value: inner });
    if (isAboutMembers(key)) return [{ op, path: key, value: inner }];
    return [{ op, path, value: { [key]: inner } }];
  });
}

/** What all operations together do to the members, in order: everybody goes or nobody, then these join and those go. */
class MemberChanges {
  readonly #present: readonly JsonObject[] | undefined;
  readonly #effort: Effort;
  /** Id, and the number of the operation that says so. */
  readonly #add = new Map<string, number>();
  readonly #remove = new Set<string>();
  #replace = false;
  #operation = 0;
  needsPresent = false;

  constructor(present: readonly JsonObject[] | undefined, effort: Effort) {
    this.#present = present;
    this.#effort = effort;
  }

  begin(operation: number): void {
    this.#operation = operation;
  }

  broughtBy(id: string): number {
    return this.#add.get(id) ?? this.#operation;
  }

  apply({ op, value }: Operation, path: PatchPath): void {
    if (path.sub !== undefined) {
      throw mutability('What is told of a member cannot be changed. Add or remove the member, with the path members.');
    }
    if (op !== 'remove' && value === undefined) throw invalidValue(`${op} needs a value. To remove members use remove.`);
    if (path.filter !== undefined) this.#chosen(op, path.filter, value);
    else if (op === 'add') this.#join(readMembers(value ?? null));
    else if (op === 'replace' || value === undefined) this.#become(readMembers(value ?? null));
    else this.#leave(readMembers(value, true));
    if (this.#add.size > MEMBERS_SENT_MAX) throw invalidValue(`A request may name ${MEMBERS_SENT_MAX} members. Split it.`);
  }

  delta(): PatchedGroup['members'] {
    return { replace: this.#replace, add: [...this.#add.keys()], remove: [...this.#remove] };
  }

  #join(ids: readonly string[]): void {
    for (const id of ids) {
      this.#add.set(id, this.#operation);
      this.#remove.delete(id);
    }
  }

  #leave(ids: readonly string[]): void {
    for (const id of ids) {
      this.#add.delete(id);
      if (!this.#replace) this.#remove.add(id);
    }
  }

  #become(ids: readonly string[]): void {
    this.#replace = true;
    this.#remove.clear();
    this.#add.clear();
    this.#join(ids);
  }

  /** `members[value eq "id"]`, as both providers remove people; add and replace name somebody in the same way. */
  #chosen(op: Operation['op'], filter: Filter, value: Json | undefined): void {
    const named = namedBy(filter);
    const ids = named ?? this.#matching(filter);
    if (op === 'remove' || isUnassigned(value)) {
      this.#leave(ids);
      return;
    }
    const instead = readMembers(isObject(value ?? null) && !hasId(value) ? (named ?? null) : (value ?? null));
    if (named === undefined && ids.length === 0 && !this.needsPresent) {
      throw new ScimError(400, 'No member matches the filter of the path.', 'noTarget');
    }
    const staying = new Set(instead);
    if (op === 'replace') this.#leave(ids.filter((id) => !staying.has(id)));
    this.#join(instead);
  }

  #matching(filter: Filter): string[] {
    if (this.#present === undefined) {
      this.needsPresent = true;
      return [];
    }
    this.#effort.values(this.#present.length + this.#add.size);
    const here = this.#replace ? [] : this.#present.filter(({ value }) => !this.#remove.has(String(value)));
    const known = new Set(here.map(({ value }) => value));
    const joined = [...this.#add.keys()].filter((id) => !known.has(id)).map((id): JsonObject => ({ value: id, type: 'User' }));
    return [...here, ...joined].filter((member) => matches(filter, member, this.#effort.folds)).map(({ value }) => String(value));
  }
}

/** The ids a filter names by itself, whoever is in the group; undefined when it has to be evaluated. */
function namedBy(filter: Filter): string[] | undefined {
  if (filter.op === 'eq' && filter.steps[0] === 'value' && typeof filter.written === 'string') return [filter.written];
  if (filter.op !== 'or') return undefined;
  const named = filter.filters.map(namedBy);
  return named.every((ids) => ids !== undefined) ? named.flat() : undefined;
}

function hasId(value: Json | undefined): boolean {
  return isObject(value) && Object.keys(value).some((key) => ['value', '$ref'].includes(key.toLowerCase()));
}
