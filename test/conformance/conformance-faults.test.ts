/**
 * Guarantees that the conformance checks can fail: a proxy in front of our server breaks one thing at a time, and the check that is about it
 * says so. Also that the command ends with the exit code it promises, cleans up as far as the server lets it, and tells what is left.
 */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Report, run } from '../../src/conformance/run.ts';
import { SUBJECTS } from '../../src/conformance/subjects.ts';
import { freePort } from '../support/free-port.ts';
import { FAULTS } from './faults.ts';
import { type Fault, startProxy } from './faulty-proxy.ts';
import { type OurServer, startOurServer } from './our-server.ts';

let our: OurServer;

beforeAll(async () => {
  our = await startOurServer();
}, 120_000);
afterAll(async () => await our.stop());

/** Runs some checks through a proxy with a fault. */
async function through(fault: Fault, only: string[]): Promise<Report> {
  const proxy = await startProxy(our.url, fault);
  try {
    return await run({ url: proxy.url, token: our.token, timeoutMs: 60_000, subjects: SUBJECTS, only });
  } finally {
    await proxy.stop();
  }
}

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the command as `npm run conformance --` does. */
async function command(...args: string[]): Promise<Ended> {
  const child = spawn(process.execPath, ['src/conformance/main.ts', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, stdout, stderr };
}

describe('a server with a fault', () => {
  it.each(FAULTS)(
    'that $what is caught by $caughtBy',
    async ({ fault, caughtBy }) => {
      const { outcomes } = await through(fault, [caughtBy]);
      expect(outcomes).toMatchObject([{ id: caughtBy, result: 'failed' }]);
      expect(outcomes[0]?.failure).toMatchObject({
        request: expect.stringMatching(/^[A-Z]+ \//),
        expected: expect.any(String),
        got: expect.any(String),
      });
    },
    60_000,
  );

  it('is told from one without: through the bare proxy all of these checks pass', async () => {
    const { outcomes } = await through(
      {},
      FAULTS.map(({ caughtBy }) => caughtBy),
    );
    expect(outcomes.filter(({ result }) => result !== 'passed')).toEqual([]);
    expect(outcomes).toHaveLength(new Set(FAULTS.map(({ caughtBy }) => caughtBy)).size);
  }, 120_000);

  it('that deletes nobody is told what is left there', async () => {
    const fault: Fault = { before: (ask) => (ask.method === 'DELETE' ? { status: 500, headers: {}, body: '' } : ask) };
    const { left } = await through(fault, ['create-201']);
    expect(left).toMatchObject([expect.stringMatching(/^\/Users\/\S+ \(conformance-/)]);
  });

  it('that only says it deletes is found out at the end', async () => {
    const fault: Fault = { before: (ask) => (ask.method === 'DELETE' ? { status: 204, headers: {}, body: '' } : ask) };
    const { left } = await through(fault, ['create-201']);
    expect(left).toMatchObject([expect.stringMatching(/^\/Users\/\S+ \(conformance-/)]);
  });

  it('whose answer to a create is lost is cleaned up by name', async () => {
    const fault: Fault = {
      after: (reply) => Object.assign(reply, reply.status === 201 ? { status: 502, headers: {}, body: 'lost' } : {}),
    };
    const report = await through(fault, ['create-201']);
    expect(report.outcomes).toMatchObject([{ result: 'failed' }]);
    expect(report.left).toEqual([]);
    const answer = await fetch(`${our.url}/Users?filter=${encodeURIComponent(`userName sw "conformance-${report.run}"`)}`, {
      headers: { authorization: `Bearer ${our.token}` },
    });
    expect(await answer.json()).toMatchObject({ totalResults: 0 });
  });

  it('never learns the token from a report, even when it echoes it', async () => {
    const fault: Fault = { after: (reply, ask) => Object.assign(reply, { status: 500, body: JSON.stringify(ask.headers) }) };
    const report = await through(fault, ['read-unknown']);
    expect(report.outcomes[0]?.failure?.answer).toContain('(token)');
    expect(JSON.stringify(report)).not.toContain(our.token);
  });
});

describe('the command', () => {
  it('ends with 0 when every MUST is met', async () => {
    const { code, stdout } = await command('--url', our.url, '--token', our.token, '--only', 'create,me');
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('Every MUST that was tried is met.') });
    expect(stdout).not.toContain('\u001b');
  }, 60_000);

  it('ends with 1 when one is not, and says what was asked, expected and got', async () => {
    const proxy = await startProxy(our.url, { after: (reply) => void delete reply.headers.location });
    const { code, stdout } = await command('--url', proxy.url, '--token', our.token, '--only', 'create-location');
    await proxy.stop();
    expect(code).toBe(1);
    for (const part of ['create-location', 'RFC 7644 §3.3', 'POST /Users', 'expected', 'a header Location', 'Not conformant.'])
      expect(stdout).toContain(part);
    expect(stdout).not.toContain(our.token);
  }, 60_000);

  it('writes JSON', async () => {
    const { code, stdout } = await command('--url', our.url, '--token', our.token, '--only', 'me', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      counts: { MUST: { passed: 2, failed: 0 } },
      outcomes: [{ id: 'me-answers' }, { id: 'me-location' }],
      left: [],
    });
  }, 60_000);

  it('lists the checks without a server', async () => {
    const { code, stdout } = await command('--list');
    expect(code).toBe(0);
    for (const { checks } of SUBJECTS) for (const { id } of checks) expect(stdout).toContain(id);
  }, 60_000);

  it.each([
    ['no address', ['--token', 'x'], '--url is missing'],
    ['no token', ['--url', 'http://127.0.0.1:9/scim/v2'], '--token is missing'],
    ['an unknown subject', ['--url', 'http://127.0.0.1:9', '--token', 'x', '--only', 'taxes'], '--only knows no taxes'],
    ['an unknown option', ['--fast'], '--fast'],
  ])(
    'ends with 2 for %s',
    async (_, args, told) => {
      const { code, stderr } = await command(...args);
      expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining(told) });
    },
    60_000,
  );

  it('ends with 2 when nobody answers, or the token is refused everywhere', async () => {
    const nobody = await command('--url', `http://127.0.0.1:${await freePort()}/scim/v2`, '--token', 'x');
    expect(nobody).toMatchObject({ code: 2, stderr: expect.stringContaining('cannot be reached') });
    const refused = await command('--url', our.url, '--token', 'wrong-token-of-somebody');
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('refuses the token') });
    expect(refused.stderr).not.toContain('wrong-token-of-somebody');
  }, 60_000);
});
