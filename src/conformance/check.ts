/**
 * Owns the shape of a check: what it is called, how strong the RFC's word is, where it stands, what it means in our own words, and how it is tried.
 * MUST also stands for SHALL and REQUIRED, SHOULD for RECOMMENDED, MAY for OPTIONAL (RFC 2119, RFC 8174).
 */
import type { Feature } from './discover.ts';
import type { Trial } from './trial.ts';

export const GRADES = ['MUST', 'SHOULD', 'MAY'] as const;
export type Grade = (typeof GRADES)[number];

export interface Check {
  /** Unique among all checks. */
  id: string;
  grade: Grade;
  /** Such as `RFC 7644 §3.3`. */
  section: string;
  /** One sentence: what the section asks for. */
  says: string;
  /** A part of SCIM that a server may leave out; without it the check is not offered. */
  needs?: Feature;
  /** Sends nothing but GET, HEAD and OPTIONS, so `--read-only` runs it. */
  reads?: true;
  /** Resolves when the server does as it says. Throws Unmet or NotOffered. */
  run(trial: Trial): Promise<void>;
}

export interface Subject {
  name: string;
  title: string;
  /** Without this feature no check of the subject applies. */
  needs?: Feature;
  checks: readonly Check[];
}

type Extra = Pick<Check, 'needs' | 'reads'>;
type Write = (id: string, section: string, says: string, run: Check['run'], extra?: Extra) => Check;

const graded =
  (grade: Grade): Write =>
  (id, section, says, run, extra = {}) => ({ id, grade, section: `RFC ${section}`, says, run, ...extra });

export const must = graded('MUST');
export const should = graded('SHOULD');
export const may = graded('MAY');

/** For checks that change nothing. */
export const READS = { reads: true } as const;
