/**
 * Owns what an administrator reads when a change of a group is refused: what is wrong, with whom, and what to do. Ids of people are named, since
 * without them nobody could find out which of thousands is meant. Refuses to decide what is refused (group-commit.lua). RFC 7644 §3.12.
 */
import { echo, invalidValue, uniqueness } from '../scim/error.ts';
import { nestedGroup } from '../scim/group/read-members.ts';
import { type GroupCommitted, MEMBERS_MAX } from './group-store.ts';

type Refused = Exclude<GroupCommitted, { record: unknown } | { kind: 'moved' } | { kind: 'gone' }>;

/** @param bringing says which part of the request has named somebody, such as `Operation 2 of 3: ` */
export function refusalOf(refused: Refused, bringing: (id: string) => string = () => ''): Error {
  switch (refused.kind) {
    case 'taken':
      return uniqueness(
        'displayName is already used by another group. Match on displayName instead of creating, or rename one of the two.',
      );
    case 'large':
      return invalidValue(`A group may have ${MEMBERS_MAX} members. Split the group.`);
    case 'many':
      return invalidValue(
        `${bringing(refused.id)}The person ${echo(refused.id)} is in too many groups already. Take them out of another one first.`,
      );
    case 'nested':
      return nestedGroup(bringing(refused.id));
    case 'unknown': {
      const { ids, count } = refused;
      const more = count > ids.length ? ` and ${count - ids.length} more` : '';
      return invalidValue(
        `${bringing(ids[0] ?? '')}No such ${count === 1 ? 'person' : 'people'} here: ${ids.map(echo).join(', ')}${more}. ` +
          'Provision them first, then add them to the group. Nothing was changed.',
      );
    }
  }
}
