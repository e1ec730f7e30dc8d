/**
 * A worker whose event loop is blocked while a create of it is open: for a platform it is dead, for the person another worker goes on when the lease is over, and
 * when it wakes up it has no say any more. Real processes, real Redis; the truth is the ledger of the sandbox.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { oktaUser, person } from '../support/people.ts';
import type { Service } from '../support/service.ts';
import { useStage } from '../support/stage.ts';
import { until } from '../support/until.ts';

const BLOCKER = fileURLToPath(new URL('../support/loop-blocker.ts', import.meta.url));
const { externalId } = person(1);

const stage = useStage({
  env: {
    MAXIO_PRODUCT_HANDLE: 'pro',
    MAXIO_UNKNOWN_OUTCOME_SECONDS: '4',
    MAXIO_CALL_DEADLINE_SECONDS: '1',
    SCIM_IDP: 'okta',
  },
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'maxio-scim-blocked-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const creates = () => stage.sandbox.state.ledger().filter(({ method }) => method === 'POST');

async function livez(service: Service): Promise<number | 'no answer'> {
  return await fetch(`${service.url}/livez`, { signal: AbortSignal.timeout(500) }).then(
    ({ status }) => status,
    () => 'no answer',
  );
}

async function joins(service: Service, n: number): Promise<void> {
  expect((await service.scim('POST', '/Users', oktaUser(person(n)))).status).toBe(201);
}

function expectOneEach(...numbers: number[]): void {
  const references = stage.sandbox.state.customers().map(({ reference }) => reference);
  expect(references).toEqual(numbers.map((n) => person(n).externalId));
  expect(stage.sandbox.state.subscriptions().map(({ state }) => state)).toEqual(numbers.map(() => 'active'));
}

test.each([
  { when: 'while it waits for the answer', env: {}, sent: 1 },
  { when: 'with the create granted and not sent', env: { BLOCK_AT: externalId }, sent: 0 },
])(
  'F76 a loop that is blocked past its lease, $when: not alive, another worker ends the run, and there is one of each',
  {
    timeout: 120_000,
  },
  async ({ env, sent }) => {
    const go = join(folder, 'go');
    const api = await stage.start({ ROLE: 'api' });
    const blocked = await stage.start({ ROLE: 'worker', NODE_OPTIONS: `--import=${BLOCKER}`, BLOCK_UNTIL: go, ...env });
    const printed = (text: string) => blocked.output.join('').includes(text);
    await until('it is alive', async () => (await livez(blocked)) === 200);
    if (sent === 1) stage.sandbox.state.setFault({ match: { method: 'POST' }, kind: 'slow', delayMs: 60_000, times: 1 });
    await joins(api, 1);
    if (sent === 1) {
      await until('the create is on its way', () => creates().length === 1);
      blocked.signal('SIGWINCH');
    }
    await until('the loop is blocked', () => printed('the event loop is blocked'));
    stage.sandbox.state.release();
    expect(await livez(blocked)).toBe('no answer');
    expect(creates()).toHaveLength(sent);

    const heir = await stage.start({ ROLE: 'worker' });
    await api.settled(60_000);
    expectOneEach(1);
    expect(creates(), 'whoever takes over looks before it repeats anything').toHaveLength(1);

    writeFileSync(go, '');
    await until('it is alive again', async () => (await livez(blocked)) === 200);
    await heir.kill();
    await joins(api, 2);
    await api.settled(60_000);
    expectOneEach(1, 2);
    expect(creates().filter(({ applied }) => applied)).toHaveLength(2);
  },
);
