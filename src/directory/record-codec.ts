/**
 * Owns the translation between a record's Redis hash and {@link UserRecord}. Refuses half-understood records: a hash from a newer release
 * throws. Fields written by the scripts: see commit.lua, guard.lua and finish.lua.
 */
import type { UserAttributes } from '../scim/types.ts';
import { NewerRelease } from './newer-release.ts';
import {
  type Leave,
  type LeaveState,
  type Loss,
  type MaxioLink,
  type OpenStep,
  type RunState,
  SCHEMA_VERSION,
  type UserRecord,
} from './record.ts';

/** Decode one HGETALL answer; `undefined` when there is no such person. */
export function decodeRecord(fields: Record<string, string>): UserRecord | undefined {
  const { id, v, reference, attrs } = fields;
  if (id === undefined || attrs === undefined || reference === undefined) return undefined;
  const schemaVersion = Number(v);
  if (schemaVersion > SCHEMA_VERSION) throw new NewerRelease(schemaVersion);
  const record: UserRecord = {
    schemaVersion,
    id,
    reference,
    generation: Number(fields.gen),
    settledGeneration: Number(fields.settled ?? 0),
    attributes: JSON.parse(attrs) as UserAttributes,
    deleted: fields.deleted === '1',
    createdAtMs: Number(fields.created),
    modifiedAtMs: Number(fields.modified),
    requestId: fields.request ?? '',
    open: decodeOpen(fields.open),
  };
  if (fields.link && fields.link !== 'null') record.link = JSON.parse(fields.link) as MaxioLink;
  if (fields.settledAt) record.settledAtMs = Number(fields.settledAt);
  if (fields.run) record.run = JSON.parse(fields.run) as RunState;
  const leave = decodeLeave(fields.leaveAt, fields.hold, fields.holdNote);
  if (leave !== undefined && fields.leaveWhat !== 'product') record.leave = leave;
  // One that is carried out is over for everybody but the guard, which goes on counting it.
  else if (leave !== undefined && (fields.lost || fields.spared)) record.loss = decodeLoss(leave, fields);
  if (fields.groups) record.groups = JSON.parse(fields.groups) as string[];
  if (fields.unclaimed === '1') record.unclaimed = true;
  if (fields.cents) record.monthlyCents = Number(fields.cents);
  return record;
}

/** Decode the three fields of a leave; `undefined` when there is none. */
export function decodeLeave(leaveAt?: string | null, hold?: string | null, note?: string | null): Leave | undefined {
  if (!leaveAt) return undefined;
  const { why, by, atMs } = (note ? JSON.parse(note) : {}) as { why?: string; by?: string; atMs?: number };
  return {
    atMs: Number(leaveAt),
    state: (hold || 'free') as LeaveState,
    ...(why === undefined ? {} : { why }),
    ...(by === undefined ? {} : { by, ...(atMs === undefined ? {} : { decidedAtMs: atMs }) }),
  };
}

function decodeLoss(leave: Leave, { lost, spared, lostCents }: Record<string, string>): Loss {
  const moments = (text: string | undefined): Record<string, number> =>
    text ? (JSON.parse(text) as Record<string, number>) : {};
  return { ...leave, families: moments(lost), spared: Object.keys(moments(spared)), monthlyCents: Number(lostCents ?? 0) };
}

function decodeOpen(text: string | undefined): OpenStep[] {
  return text === undefined || text === '' ? [] : (JSON.parse(text) as OpenStep[]);
}
