/**
 * Owns the conversation of the command line with the ops API, and how its failures are told: what is wrong and what to do next.
 * Refuses to follow redirects, since the token is meant for one address only, and to print the token.
 */
import { errors, request } from 'undici';
import { z } from 'zod';
import type { readCliOptions } from '../config.ts';

interface Question {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below /ops/api. */
  path: string;
  body?: object;
}

export interface Target {
  /** Without a trailing slash. */
  url: string;
  token: ReturnType<typeof readCliOptions>['opsToken'];
}

/** `asked`: the service has answered and the answer is no. `broken`: it could not be asked. */
export class CliError extends Error {
  readonly exitCode: 1 | 2;
  readonly todo: string;

  constructor(kind: 'asked' | 'broken', message: string, todo: string) {
    super(message);
    this.name = 'CliError';
    this.exitCode = kind === 'asked' ? 1 : 2;
    this.todo = todo;
  }
}

/** Nothing that speaks HTTP answered at the address. */
export class Unreachable extends CliError {}

const PATIENCE_MS = 30_000;
/** Not allowed, not there, not now: the service was asked and has answered. */
const NO = new Set([403, 404, 409, 422]);
const problem = z.looseObject({ error: z.string(), detail: z.string(), do: z.string() });

/** Asks one question. @returns the answer as it came, and as it was understood @throws CliError */
export async function ask<T>(target: Target, question: Question & { shape: z.ZodType<T> }): Promise<{ raw: unknown; answer: T }> {
  const { status, raw } = await exchange(target, question);
  if (status === 200) {
    const parsed = question.shape.safeParse(raw);
    if (parsed.success) return { raw, answer: parsed.data };
    throw new CliError(
      'broken',
      `The answer of ${target.url} is not understood.`,
      'Use the maxio-scim command of the same release as the service.',
    );
  }
  const told = problem.safeParse(raw);
  if (!told.success) {
    const answered = `${target.url} answered with HTTP ${status}, but not as maxio-scim does.`;
    throw new CliError(
      'broken',
      answered,
      'Check --url or MAXIO_SCIM_URL: it is the address of the service itself, without /scim/v2.',
    );
  }
  if (status === 401) {
    throw new CliError(
      'broken',
      'The service refused the ops token.',
      'Set OPS_TOKEN or OPS_TOKEN_FILE to the OPS_TOKEN the service runs with, or to your own token if your name is in its OPS_TOKENS_FILE; a SCIM_TOKEN does not work here.',
    );
  }
  throw new CliError(NO.has(status) ? 'asked' : 'broken', told.data.detail, told.data.do);
}

async function exchange(target: Target, question: Question): Promise<{ status: number; raw: unknown }> {
  try {
    const answer = await request(`${target.url}/ops/api${question.path}`, {
      method: question.method ?? 'GET',
      headers: {
        authorization: `Bearer ${target.token.reveal()}`,
        accept: 'application/json',
        ...(question.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: question.body === undefined ? null : JSON.stringify(question.body),
      headersTimeout: PATIENCE_MS,
      bodyTimeout: PATIENCE_MS,
    });
    const text = await answer.body.text();
    return { status: answer.statusCode, raw: jsonOf(text) };
  } catch (error) {
    throw unreachable(target, error);
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unreachable(target: Target, error: unknown): CliError {
  const slow = error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError;
  if (slow) {
    return new Unreachable(
      'broken',
      `${target.url} did not answer in ${PATIENCE_MS / 1_000} s.`,
      'Look at its /readyz and its log, then try again.',
    );
  }
  const { code } = (error instanceof AggregateError ? error.errors[0] : error) as NodeJS.ErrnoException;
  return new Unreachable(
    'broken',
    `${target.url} cannot be reached${code === undefined ? '' : ` (${code})`}.`,
    'Check that the service runs, and that --url or MAXIO_SCIM_URL is its address.',
  );
}
