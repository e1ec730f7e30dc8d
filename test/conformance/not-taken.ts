/**
 * Owns why our own server does not do what a check asks for: by the id of a check, or by the name of a subject that is not offered at all.
 * A reason without a check that needs it is refused by the tests, and so is a check without a reason. No MUST may stand here for having failed.
 */
export const NOT_TAKEN: Readonly<Record<string, string>> = {
  'patch-no-target-equality':
    'Microsoft’s client replaces `emails[type eq "work"].value` before there is one and expects it to be there afterwards; where the filter describes the value, it is created. Where it does not, noTarget stands.',
  'patch-path-unknown':
    'Attributes of no schema are kept and returned as they were sent: both identity providers send some, and a refused attribute would keep a disable beside it from landing.',
  'patch-groups-refused':
    'A patch of `groups` on a person changes nothing and is not refused, for the same reason: a disable in the same patch has to land.',
  'schemas-password':
    'Passwords are thrown away, so the schema does not offer the attribute for mapping. It is accepted, and never returned.',
  'page-root': 'Nobody asks for people and groups in one list; each has its endpoint.',
};

/** The reason for a check; undefined when there is none. */
export function reasonFor(id: string, subject: string): string | undefined {
  return NOT_TAKEN[id] ?? NOT_TAKEN[subject];
}
