/**
 * Owns the operators of the configuration: who may look, act and approve, by name, from OPS_TOKENS_FILE. The file holds digests, never tokens.
 * Refuses entries that could not be told apart later, because an approval must name a person.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Secret } from './secret.ts';

export interface NamedOperator {
  name: string;
  role: 'viewer' | 'operator' | 'approver';
  /** SHA-256 of the token, in lower-case hex. */
  sha256: string;
}

const file = z
  .array(
    z.strictObject({
      name: z.string().regex(/^[\w.@-]{1,64}$/, 'must be 1 to 64 letters, digits, dots, dashes, underscores or @'),
      role: z.enum(['viewer', 'operator', 'approver'], 'must be viewer, operator or approver'),
      sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits: printf %s TOKEN | sha256sum'),
    }),
  )
  .min(1, 'must name at least one operator');

/** Names that stand for something else than a person in the audit trail, and where it says who has set the mode. */
const RESERVED = new Set([
  'ops-token',
  'ops-page',
  'survey',
  'drift',
  'start',
  'service',
  'restore',
  'witness',
  'lost',
  'restored',
]);

/** Reads the operators; none when no file is configured. */
export function readOperators(path: string | undefined, problems: string[]): NamedOperator[] {
  if (path === undefined) return [];
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8').replace(/^\uFEFF/, ''));
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException;
    problems.push(
      code ? `OPS_TOKENS_FILE cannot be read (${code}); check the path and its permissions` : 'OPS_TOKENS_FILE is not valid JSON',
    );
    return [];
  }
  const read = file.safeParse(content);
  if (!read.success) {
    for (const { path: where, message } of read.error.issues) {
      problems.push(`OPS_TOKENS_FILE${where.length === 0 ? '' : ` at ${where.join('.')}`}: ${message}`);
    }
    return [];
  }
  const names = new Set<string>();
  const digests = new Set<string>();
  for (const { name, sha256 } of read.data) {
    const folded = name.toLowerCase();
    if (names.has(folded) || RESERVED.has(folded))
      problems.push(`OPS_TOKENS_FILE: the name ${name} is taken; give each operator their own`);
    if (digests.has(sha256))
      problems.push(`OPS_TOKENS_FILE: ${name} has the same token as somebody else; give each operator their own`);
    names.add(folded);
    digests.add(sha256);
  }
  return read.data;
}

/** An identity provider must not be an operator, and a token that several hold names no person. */
export function refuseSharedTokens(operators: NamedOperator[], what: string, token: Secret, problems: string[]): void {
  const digest = createHash('sha256').update(token.reveal(), 'utf8').digest('hex');
  for (const { name, sha256 } of operators) {
    if (sha256 === digest) problems.push(`OPS_TOKENS_FILE: the token of ${name} is also ${what}; give each its own`);
  }
}
