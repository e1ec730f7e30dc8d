/**
 * Owns the list of subjects, in the order in which they are tried: from who may ask to what depends on everything else.
 */
import type { Subject } from './check.ts';
import { AUTHENTICATION } from './subjects/authentication.ts';
import { BULK } from './subjects/bulk.ts';
import { CREATE } from './subjects/create.ts';
import { CURSOR } from './subjects/cursor.ts';
import { DELETE } from './subjects/delete.ts';
import { DISCOVERY } from './subjects/discovery.ts';
import { ERRORS } from './subjects/errors.ts';
import { ETAG } from './subjects/etag.ts';
import { FILTER } from './subjects/filter.ts';
import { FILTER_REFUSED } from './subjects/filter-refused.ts';
import { FILTER_VALUES } from './subjects/filter-values.ts';
import { GROUP_MEMBERS } from './subjects/group-members.ts';
import { GROUP_PATCH } from './subjects/group-patch.ts';
import { GROUPS } from './subjects/groups.ts';
import { HTTP } from './subjects/http.ts';
import { ME } from './subjects/me.ts';
import { PAGING } from './subjects/paging.ts';
import { PATCH } from './subjects/patch.ts';
import { PATCH_ADD } from './subjects/patch-add.ts';
import { PATCH_REFUSED } from './subjects/patch-refused.ts';
import { PATCH_REMOVE } from './subjects/patch-remove.ts';
import { PATCH_REPLACE } from './subjects/patch-replace.ts';
import { PROJECTION } from './subjects/projection.ts';
import { READ } from './subjects/read.ts';
import { REPLACE } from './subjects/replace.ts';
import { RESOURCE } from './subjects/resource.ts';
import { SCHEMA_ROWS } from './subjects/schema-rows.ts';
import { SCHEMAS } from './subjects/schemas.ts';
import { SEARCH } from './subjects/search.ts';
import { SORT } from './subjects/sort.ts';

export const SUBJECTS: readonly Subject[] = [
  AUTHENTICATION,
  DISCOVERY,
  SCHEMAS,
  SCHEMA_ROWS,
  HTTP,
  ERRORS,
  CREATE,
  READ,
  RESOURCE,
  REPLACE,
  PATCH,
  PATCH_ADD,
  PATCH_REPLACE,
  PATCH_REMOVE,
  PATCH_REFUSED,
  DELETE,
  FILTER,
  FILTER_VALUES,
  FILTER_REFUSED,
  PAGING,
  CURSOR,
  SORT,
  PROJECTION,
  SEARCH,
  ETAG,
  BULK,
  GROUPS,
  GROUP_MEMBERS,
  GROUP_PATCH,
  ME,
];
