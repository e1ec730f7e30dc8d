/** Owns operators of tests: one of each role and a second approver, with the tokens they present. */
import { createHash } from 'node:crypto';
import type { NamedOperator } from '../../src/config.ts';

const ROLES = { vera: 'viewer', otto: 'operator', anna: 'approver', bert: 'approver' } as const;
export type TestOperator = keyof typeof ROLES;

export function tokenOf(name: string): string {
  return `token-of-${name}-CANARY-4711`;
}

export const OPERATORS: NamedOperator[] = Object.entries(ROLES).map(([name, role]) => ({
  name,
  role,
  sha256: createHash('sha256').update(tokenOf(name)).digest('hex'),
}));
