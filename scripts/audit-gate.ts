/**
 * Owns the gate against packages with known flaws: asks the registry by `npm audit`, and passes only when each advisory is either mended or stands in
 * security/exceptions.json with a reason and a last day. An exception that has expired fails, and so does one that nothing needs any more.
 *
 *   npm run audit:gate             what cannot be asked (no network, a registry that answers no audits) is told and passes
 *   npm run audit:gate -- --release     and here it fails: a release is not made without an answer
 *
 * Refuses to mend anything by itself: `npm audit fix` changes the lockfile, which somebody must read.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { z } from 'zod';

const EXCEPTION_DAYS_MAX = 90;
const DAY_MS = 86_400_000;

const exceptionsSchema = z.array(
  z.strictObject({
    /** As in the address of the advisory: GHSA-… */
    advisory: z.string().regex(/^GHSA(-[0-9a-z]{4}){3}$/),
    /** Why it does no harm here, or what is awaited. */
    why: z.string().min(20),
    /** Last day on which it counts. */
    expires: z.iso.date(),
  }),
);

const auditSchema = z.object({
  vulnerabilities: z.record(
    z.string(),
    z.object({
      // A text names another package of this list, by which this one is affected.
      via: z.array(
        z.union([z.string(), z.object({ name: z.string(), title: z.string(), url: z.string(), severity: z.string() })]),
      ),
    }),
  ),
});

const refusalSchema = z.object({ message: z.string() });

interface Advisory {
  id: string;
  line: string;
}

/** Asks the registry. @returns a text where there was no answer: why */
function ask(folder: string): Advisory[] | string {
  const { stdout, error } = spawnSync('npm', ['audit', '--json'], { cwd: folder, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if (error !== undefined) return `npm cannot be run: ${error.message}`;
  const said = parsed(stdout);
  const answer = auditSchema.safeParse(said);
  if (!answer.success) return refusalSchema.safeParse(said).data?.message ?? 'npm audit has answered nothing that can be read';
  const found = new Map<string, Advisory>();
  for (const { via } of Object.values(answer.data.vulnerabilities)) {
    for (const cause of via) {
      if (typeof cause === 'string') continue;
      const id = cause.url.split('/').at(-1) ?? cause.url;
      found.set(id, { id, line: `${id} ${cause.severity}: ${cause.name}: ${cause.title} (${cause.url})` });
    }
  }
  return [...found.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What is wrong, one sentence each. */
function judge(
  advisories: readonly Advisory[] | undefined,
  exceptions: z.infer<typeof exceptionsSchema>,
  today: string,
): string[] {
  const latest = new Date(Date.parse(today) + EXCEPTION_DAYS_MAX * DAY_MS).toISOString().slice(0, 10);
  const excepted = new Set(exceptions.filter(({ expires }) => expires >= today).map(({ advisory }) => advisory));
  const expired = exceptions
    .filter(({ expires }) => expires < today)
    .map(({ advisory, expires }) => `the exception for ${advisory} has expired on ${expires}: mend it, or judge it anew`);
  const tooLong = exceptions
    .filter(({ expires }) => expires > latest)
    .map(
      ({ advisory, expires }) =>
        `the exception for ${advisory} ends on ${expires}: at most ${EXCEPTION_DAYS_MAX} days from today, ${latest}`,
    );
  if (advisories === undefined) return [...expired, ...tooLong];
  const present = new Set(advisories.map(({ id }) => id));
  const idle = exceptions
    .filter(({ advisory }) => !present.has(advisory))
    .map(({ advisory }) => `nothing has ${advisory} any more: remove its exception`);
  const open = advisories.filter(({ id }) => !excepted.has(id)).map(({ line }) => line);
  return [...expired, ...tooLong, ...idle, ...open];
}

const { values } = parseArgs({
  options: {
    release: { type: 'boolean', default: false },
    folder: { type: 'string', default: '.' },
    exceptions: { type: 'string', default: 'security/exceptions.json' },
  },
});
const exceptions = exceptionsSchema.parse(JSON.parse(readFileSync(values.exceptions, 'utf8')));
const answer = ask(values.folder);
const advisories = typeof answer === 'string' ? undefined : answer;
const findings = judge(advisories, exceptions, new Date().toISOString().slice(0, 10));
for (const finding of findings) console.error(finding);
if (typeof answer === 'string') {
  console.error(`The registry did not tell about known flaws (${answer}).`);
  console.error(
    values.release
      ? 'A release needs that answer: ask where a registry gives it.'
      : 'Nothing is proven by this; npm run audit:gate -- --release would fail.',
  );
} else if (findings.length === 0) {
  console.log(
    `No known flaw in the packages of the lockfile${exceptions.length > 0 ? `, but for ${exceptions.length} with an exception` : ''}.`,
  );
}
if (findings.length > 0 || (values.release && advisories === undefined)) process.exitCode = 1;
