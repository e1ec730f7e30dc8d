/**
 * Owns the shape of what a history leaves behind: what the identity provider was told, what reached Maxio, what Redis holds, what the processes have said.
 * Refuses behaviour: collect.ts fills it, checker.ts judges it. Times are epoch milliseconds of this machine.
 */
import type { AuditEntry } from '../../../src/directory/audit.ts';
import type { CustomerJson } from '../../../src/sandbox/customer-json.ts';
import type { LedgerEntry } from '../../../src/sandbox/ledger.ts';
import type { SubscriptionJson } from '../../../src/sandbox/subscription-json.ts';

/** What of a person a history changes and compares. Every family name is used once only, so it says which write it is from. */
export interface Wish {
  active: boolean;
  familyName: string;
  /** Never reaches Maxio. */
  title: string;
}

export type Write = { verb: 'create' | 'replace'; wish: Wish } | { verb: 'patch'; change: Partial<Wish> } | { verb: 'delete' };

interface Exchanged {
  /** Number of the person. */
  person: number;
  sentAtMs: number;
  answeredAtMs: number;
  /** `unknown`: no answer came. */
  status: number | 'unknown';
  /** Which api process was asked. */
  replica: string;
}

export interface WriteAck extends Exchanged {
  kind: 'write';
  /** Sent along as X-Request-Id, so it stands in the audit trail if the write took place. */
  requestId: string;
  write: Write;
}

export interface ReadAck extends Exchanged {
  kind: 'read';
  how: 'id' | 'filter';
  /** `absent`: 404, or nobody by that filter. */
  seen: Wish | 'absent';
}

export type Ack = WriteAck | ReadAck;

export interface AuditRow {
  seq: number;
  atMs: number;
  /** SCIM id; empty for entries about the site. */
  user: string;
  generation: number;
  entry: AuditEntry;
}

export interface StoredPerson extends Wish {
  id: string;
  reference: string;
  /** Customer at Maxio that the facade knows to be theirs. */
  customerId?: number;
  generation: number;
  deleted: boolean;
  dirty: boolean;
  parked: boolean;
  parkedFor?: string;
  held: boolean;
  exempt: boolean;
  /** Kinds of calls that left and whose answer is not recorded yet, in the words of the audit trail. */
  open: string[];
}

export interface Bell {
  lane: string;
  userId: string;
}

/** Something that was written where secrets and personal data must not be. */
export interface Text {
  /** `log of worker-1`, `metrics of api-2`, `error body`, `job`, `key`. */
  where: string;
  text: string;
}

export interface ProcessFigures {
  name: string;
  rssBytes: number;
  openFiles: number;
  /** The most lines of level warn and above in any second. */
  warnLinesPerSecond: number;
}

export interface Settings {
  product: string;
  /** How the site ends the subscriptions of leavers. */
  policy: 'cancel' | 'hold' | 'cancel_at_period_end';
  callsPerWindow: number;
  windowMs: number;
  concurrency: number;
  /** How long after its grant, which checks the fences, a call may still be written. */
  sendGraceMs: number;
  /** How far two clocks of one machine may be apart when read. */
  slackMs: number;
  /** Texts that stand only in personal data and secrets. */
  canaries: string[];
  rssBytesMax: number;
  openFilesMax: number;
  warnLinesPerSecondMax: number;
  bellsPerPersonMax: number;
}

/** A group as the identity provider believes it to be. */
export interface BelievedGroup {
  id: string;
  displayName: string;
  members: string[];
  /** The last request about it was never answered well. */
  doubted?: boolean;
}

export interface GroupEvidence {
  rules: readonly { group: string; product: string; family: string }[];
  graceMs: number;
  believed: readonly BelievedGroup[];
  stored: readonly { id: string; displayName: string; members: readonly string[] }[];
  /** SCIM id -> ids of groups, as it stands in the record of the person. */
  memberOf: Readonly<Record<string, readonly string[]>>;
}

export interface Evidence {
  settings: Settings;
  /** Absent where a history is played without groups. */
  groups?: GroupEvidence;
  acks: Ack[];
  ledger: LedgerEntry[];
  customers: CustomerJson[];
  subscriptions: SubscriptionJson[];
  people: StoredPerson[];
  audit: AuditRow[];
  /** The last `seq` the audit trail has given away. */
  auditSeq: number;
  /** What a check of the sealed trail has found bad; empty is what it should be. */
  chain: string[];
  bells: Bell[];
  texts: Text[];
  processes: ProcessFigures[];
  /** What the facade does not manage, as it was planted. */
  foreign: { customers: CustomerJson[]; subscriptions: SubscriptionJson[] };
  /** Faults that were to end by themselves and did not, each with what was waited for in vain. */
  unmended: string[];
  /** How long work was waited for after the last fault had ended, whether it came to its end, and otherwise why nobody waited any longer. */
  quiet: { reached: boolean; waitedMs: number; why?: string };
}

export type Invariant = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I8' | 'I9' | 'I10' | 'I11' | 'I12' | 'I13';

export interface Violation {
  invariant: Invariant;
  /** Number of the person it is about. */
  person?: number;
  /** What was seen, and against what. */
  evidence: string;
}
