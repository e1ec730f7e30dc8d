/**
 * Owns a run: discovery, one check after the other, cleaning up behind each, and the report. A check that throws anything but its own
 * kinds of error is a failed check, never the end of the run. Refuses to print (human.ts, page of a caller).
 * One after the other on purpose: a server that is being judged must not be judged under load.
 */
import { randomBytes } from 'node:crypto';
import type { Check, Grade, Subject } from './check.ts';
import { GRADES } from './check.ts';
import { type Answer, Client, type ClientOptions, NoAnswer } from './client.ts';
import { Creations } from './creations.ts';
import { discover, whyNot } from './discover.ts';
import { NotOffered, Unmet } from './expect.ts';
import { prefixOf, Skipped, Trial, type World } from './trial.ts';

export type Result = 'passed' | 'failed' | 'not offered' | 'skipped';

export interface Failure {
  request: string;
  expected: string;
  got: string;
  answer: string;
}

export interface Outcome {
  id: string;
  subject: string;
  grade: Grade;
  section: string;
  says: string;
  result: Result;
  /** Why it was not offered or skipped. */
  reason?: string;
  failure?: Failure;
  ms: number;
}

export interface Report {
  url: string;
  run: string;
  startedAt: string;
  ms: number;
  outcomes: Outcome[];
  /** What could not be removed. */
  left: string[];
  /** True when the run was broken off. */
  brokenOff: boolean;
  counts: Record<Grade, Record<Result, number>>;
}

export interface RunOptions extends ClientOptions {
  subjects: readonly Subject[];
  /** Names of subjects or ids of checks; none: all. */
  only?: readonly string[];
  readOnly?: boolean;
  onStart?: (check: Check, subject: Subject, at: number, of: number) => void;
  onOutcome?: (outcome: Outcome) => void;
}

/** The server cannot be judged: it does not answer, or not to us. */
export class Unreachable extends Error {
  override name = 'Unreachable';
}

/** Runs the checks and cleans up. Throws Unreachable before the first one. */
export async function run(options: RunOptions): Promise<Report> {
  const startedAt = new Date();
  const began = performance.now();
  const { signal, ...always } = options;
  const client = new Client(options);
  // Cleaning up goes on when the checks are broken off.
  const cleaner = new Client({ url: always.url, token: always.token, timeoutMs: always.timeoutMs });
  const id = `${Date.now().toString(36).slice(-5)}${randomBytes(2).toString('hex')}`;
  const creations = new Creations(prefixOf(id));
  const ask = (method: string, path: string): Promise<Answer> => cleaner.send(method, path);
  try {
    const discovered = await reach(client);
    const world: World = { client, creations, discovered, run: id, readOnly: options.readOnly ?? false, counter: 0 };
    const outcomes: Outcome[] = [];
    const chosen = choose(options.subjects, options.only);
    try {
      for (const [at, { check, subject }] of chosen.entries()) {
        if (signal?.aborted) break;
        options.onStart?.(check, subject, at, chosen.length);
        const outcome = await judge(world, check, subject);
        if (signal?.aborted) break;
        outcomes.push(outcome);
        options.onOutcome?.(outcome);
        await creations.remove(ask);
      }
    } finally {
      await creations.remove(ask, true);
    }
    const ms = Math.round(performance.now() - began);
    const brokenOff = outcomes.length < chosen.length;
    return {
      url: client.url,
      run: id,
      startedAt: startedAt.toISOString(),
      ms,
      outcomes,
      left: creations.left(),
      brokenOff,
      counts: count(outcomes),
    };
  } finally {
    await Promise.all([client.close(), cleaner.close()]);
  }
}

/** Reads the discovery documents. @throws Unreachable */
async function reach(client: Client) {
  try {
    const discovered = await discover((path) => client.send('GET', path));
    if (discovered.answers.every(({ status }) => status === 401 || status === 403)) {
      throw new Unreachable(`${client.url} refuses the token (${discovered.answers[0]?.status}). Check --token.`);
    }
    return discovered;
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    throw new Unreachable(
      `${client.url} cannot be reached: ${error.message}. Check --url; it is the SCIM base, such as https://host/scim/v2.`,
    );
  }
}

interface Chosen {
  check: Check;
  subject: Subject;
}

/** The checks that were asked for, in order; `patch` means `patch-add` and its like, too. */
export function choose(subjects: readonly Subject[], only: readonly string[] = []): Chosen[] {
  const all = subjects.flatMap((subject) => subject.checks.map((check) => ({ check, subject })));
  const isNamed = ({ check, subject }: Chosen): boolean =>
    only.some((name) => name === check.id || name === subject.name || subject.name.startsWith(`${name}-`));
  return only.length === 0 ? all : all.filter(isNamed);
}

async function judge(world: World, check: Check, subject: Subject): Promise<Outcome> {
  const { id, grade, section, says } = check;
  const began = performance.now();
  const verdict = await tryCheck(world, check, subject);
  return { id, subject: subject.name, grade, section, says, ...verdict, ms: Math.round(performance.now() - began) };
}

type Verdict = Pick<Outcome, 'result' | 'reason' | 'failure'>;

async function tryCheck(world: World, check: Check, subject: Subject): Promise<Verdict> {
  if (world.readOnly && check.reads !== true) return { result: 'skipped', reason: 'it writes' };
  for (const feature of [subject.needs, check.needs]) {
    const reason = feature === undefined ? undefined : whyNot(world.discovered, feature);
    if (reason !== undefined) return { result: 'not offered', reason };
  }
  try {
    await check.run(new Trial(world));
    return { result: 'passed' };
  } catch (error) {
    if (error instanceof NotOffered) return { result: 'not offered', reason: error.message };
    if (error instanceof Skipped) return { result: 'skipped', reason: error.message };
    const { token } = world.client;
    if (error instanceof Unmet) return { result: 'failed', failure: withoutToken(failureOf(error), token) };
    const got = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return {
      result: 'failed',
      failure: withoutToken({ request: '', expected: 'the check to come to an end', got, answer: '' }, token),
    };
  }
}

const SHOWN_MAX = 2_000;

function failureOf({ expected, got, answer }: Unmet): Failure {
  if (answer === undefined) return { request: '', expected, got, answer: '' };
  const { sent, status, headers, text } = answer;
  const lines = Object.entries(headers).filter(([name]) => SHOWN_HEADERS.has(name));
  return {
    request: [`${sent.method} ${sent.path}`, ...(sent.body === undefined ? [] : [cut(sent.body)])].join('\n'),
    expected,
    got,
    answer:
      status === 0
        ? ''
        : [`${status}`, ...lines.map(([name, value]) => `${name}: ${value}`), ...(text === '' ? [] : [cut(text)])].join('\n'),
  };
}

const SHOWN_HEADERS = new Set(['content-type', 'location', 'etag', 'allow', 'www-authenticate', 'retry-after']);

function cut(text: string): string {
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}… (${text.length} characters)` : text;
}

/** A server may echo what it was sent. */
function withoutToken(failure: Failure, token: string): Failure {
  if (token === '') return failure;
  const hide = (text: string): string => text.replaceAll(token, '(token)');
  return {
    request: hide(failure.request),
    expected: hide(failure.expected),
    got: hide(failure.got),
    answer: hide(failure.answer),
  };
}

function count(outcomes: readonly Outcome[]): Report['counts'] {
  const none = (): Record<Result, number> => ({ passed: 0, failed: 0, 'not offered': 0, skipped: 0 });
  const counts = Object.fromEntries(GRADES.map((grade) => [grade, none()])) as Report['counts'];
  for (const { grade, result } of outcomes) counts[grade][result] += 1;
  return counts;
}
