/**
 * Guarantees that our own server meets every MUST of the conformance checks, that each SHOULD and MAY it does not take has a reason, that
 * docs/conformance.md says what is true, and that the checks leave a server as they found it. The same checks run against any server by
 * `npm run conformance`; that they find faults is conformance-faults.test.ts.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Report, run } from '../../src/conformance/run.ts';
import { SUBJECTS } from '../../src/conformance/subjects.ts';
import { ask, person } from '../support/scim-server.ts';
import { NOT_TAKEN, reasonFor } from './not-taken.ts';
import { type OurServer, startOurServer } from './our-server.ts';
import { PAGE, pageOf } from './page.ts';

const CHECKS_MIN = 150;
const checks = SUBJECTS.flatMap((subject) => subject.checks);

let our: OurServer;
let report: Report;
/** Somebody who was there before, as they were. */
let bystander: Record<string, unknown>;

beforeAll(async () => {
  our = await startOurServer();
  const made = await ask(our.server, 'POST', '/scim/v2/Users', person('bystander'));
  bystander = made.body;
  report = await run({ url: our.url, token: our.token, timeoutMs: 60_000, subjects: SUBJECTS });
}, 300_000);
afterAll(async () => await our.stop());

describe('the checks', () => {
  it('are many, each with an id of its own, a section and a sentence', () => {
    expect(checks.length).toBeGreaterThanOrEqual(CHECKS_MIN);
    expect(new Set(checks.map(({ id }) => id)).size).toBe(checks.length);
    for (const { id, section, says } of checks) {
      expect(section, id).toMatch(/^RFC (?:7643|7644|9865|9110) §\d+(?:\.\d+)*$/);
      expect(says, id).toMatch(/^.{15,}[.)]$/);
    }
  });
});

describe('our server', () => {
  it('was tried with every check', () => {
    expect(report.brokenOff).toBe(false);
    expect(report.outcomes.map(({ id }) => id)).toEqual(checks.map(({ id }) => id));
    expect(report.outcomes.filter(({ result }) => result === 'skipped')).toEqual([]);
  });

  it('meets every MUST', () => {
    const missed = report.outcomes.filter(({ grade, result }) => grade === 'MUST' && result === 'failed');
    expect(missed.map(({ id, failure }) => ({ id, ...failure }))).toEqual([]);
  });

  it('has a reason for each SHOULD and MAY it does not take, and for what it does not offer', () => {
    const unexplained = report.outcomes.filter(
      ({ id, subject, result }) => result !== 'passed' && reasonFor(id, subject) === undefined,
    );
    expect(
      unexplained.map(({ id, reason, failure }) => ({ id, reason, ...failure })),
      'write the reason into not-taken.ts',
    ).toEqual([]);
  });

  it('has no reason for what it does take', () => {
    const open = report.outcomes.filter(({ result }) => result !== 'passed');
    const stale = Object.keys(NOT_TAKEN).filter((name) => !open.some(({ id, subject }) => id === name || subject === name));
    expect(stale, 'remove these from not-taken.ts').toEqual([]);
  });

  it('is described by docs/conformance.md as it is', () => {
    expect(readFileSync(PAGE, 'utf8'), 'run npm run conformance:write').toBe(pageOf(report, SUBJECTS));
  });
});

describe('a run', () => {
  it('leaves nobody behind, and nobody changed who was there before', async () => {
    expect(report.left).toEqual([]);
    const people = await ask(our.server, 'GET', '/scim/v2/Users');
    expect(people.body).toMatchObject({ totalResults: 1, Resources: [bystander] });
    const groups = await ask(our.server, 'GET', '/scim/v2/Groups');
    expect(groups.body).toMatchObject({ totalResults: 0 });
  });

  it('tells nobody the token', () => {
    expect(JSON.stringify(report)).not.toContain(our.token);
  });

  it('with --read-only writes nothing, and skips what would', async () => {
    const calm = await run({ url: our.url, token: our.token, timeoutMs: 60_000, subjects: SUBJECTS, readOnly: true });
    expect(calm.outcomes.filter(({ result }) => result === 'failed')).toEqual([]);
    expect(calm.outcomes.filter(({ result }) => result === 'passed').length).toBeGreaterThan(60);
    expect(calm.outcomes.filter(({ result }) => result === 'skipped').length).toBeGreaterThan(100);
    const writes = our.server.logLines.filter((line) => line.includes(calm.run));
    expect(writes).toEqual([]);
    const people = await ask(our.server, 'GET', '/scim/v2/Users');
    expect(people.body).toMatchObject({ totalResults: 1, Resources: [bystander] });
  }, 120_000);
});
