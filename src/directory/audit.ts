/**
 * Owns the shape of an audit entry. Refuses personal data: entries name attributes, steps and ids, never values.
 * The scripts add `seq` (gap-free per site), the time from Redis and the generation, in the same step as the change itself.
 */
import type { Json } from '../scim/types.ts';

export interface AuditEntry {
  /** Who acted: the IdP, a call to Maxio, a run that ended, the guard, a person on call. */
  kind: 'scim' | 'maxio' | 'run' | 'guard' | 'operator';
  what: string;
  requestId?: string;
  actor?: string;
  [detail: string]: Json | undefined;
}

export interface StoryEntry {
  seq: number;
  atMs: number;
  generation: number;
  entry: AuditEntry;
}

/** Decode the field list of one stream entry. */
export function decodeAudit(fields: string[]): StoryEntry {
  const value = (name: string): string => fields[fields.findIndex((field, at) => at % 2 === 0 && field === name) + 1] ?? '';
  return {
    seq: Number(value('seq')),
    atMs: Number(value('at')),
    generation: Number(value('generation')),
    entry: JSON.parse(value('entry')) as AuditEntry,
  };
}
