/**
 * Owns the shape of one difference between directory and Maxio, and which kinds there are. No behaviour beyond making one; drift-rows.ts finds them.
 */
import { intentOf, type UserRecord } from '../directory/record.ts';

export const DRIFT_KINDS = [
  'active-unbilled',
  'left-billed',
  'fields-differ',
  'customer-deleted',
  'reference-changed',
  'duplicate-customer',
  'duplicate-subscription',
  'ending-foreign',
  'unclaimed',
] as const;
export type DriftKind = (typeof DRIFT_KINDS)[number];

export interface Finding {
  /** Equal for the same difference of the same person, also when it comes back. */
  key: string;
  kind: DriftKind;
  personId: string;
  userName: string;
  customerId: string | null;
  subscriptionId: string | null;
  detail: string;
  /** Whether planning again can mend it. */
  repairable: boolean;
  /** Somebody has made it on purpose, as far as anybody can tell: only an operator undoes it. */
  deliberate: boolean;
  /** An operator has decided that this leave is not acted on. */
  exempt: boolean;
}

interface Found {
  detail: string;
  about?: string;
  customerId?: string;
  subscriptionId?: string | null;
  repairable?: boolean;
  deliberate?: boolean;
}

/** Makes one row of a report. */
export function finding(record: UserRecord, kind: DriftKind, found: Found): Finding {
  const { detail, about = '', customerId, subscriptionId = null, repairable = false, deliberate = false } = found;
  return {
    key: `${kind}:${record.id}:${about}`,
    kind,
    personId: record.id,
    userName: record.attributes.userName,
    customerId: customerId ?? record.link?.customerId ?? null,
    subscriptionId,
    detail,
    repairable,
    deliberate,
    exempt: isExempt(record),
  };
}

/** Whether an operator has decided that this leave is not acted on. */
export function isExempt(record: UserRecord): boolean {
  return intentOf(record) === 'inactive' && record.leave?.state === 'exempt';
}
