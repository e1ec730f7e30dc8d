/**
 * What a platform does to a process: more requests a second than any identity provider sends, a rejection nobody expected, secrets that change in their files
 * while it runs. Real processes, a real Redis with `appendfsync always`, the sandbox.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { OPERATORS, tokenOf } from '../support/operators.ts';
import { entraUser, person } from '../support/people.ts';
import { API_KEY, OPS_TOKEN, SCIM_TOKEN, type Service } from '../support/service.ts';
import { useStage } from '../support/stage.ts';
import { until } from '../support/until.ts';

const REJECTION = fileURLToPath(new URL('../support/stray-rejection.ts', import.meta.url));
const UNNOTICED = { timeoutMs: 60_000, everyMs: 100 };

const stage = useStage({ env: { MAXIO_PRODUCT_HANDLE: 'pro', SCIM_IDP: 'entra' } });
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'maxio-scim-secrets-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const post = async (service: Service, n: number): Promise<number> =>
  (await service.scim('POST', '/Users', entraUser(person(n)))).status;

describe('an identity provider in a hurry', () => {
  test('F67 25, then 100 requests a second, each acknowledged at one replica and at once visible at the other', {
    timeout: 120_000,
  }, async () => {
    const replicas = [await stage.start({ ROLE: 'api' }), await stage.start({ ROLE: 'api' })] as const;
    // Sent at their time, whatever became of those before: a provider does not slow down because somebody is slow.
    const wave = async (from: number, count: number, perSecond: number): Promise<void> => {
      const answers: Promise<[number, unknown]>[] = [];
      for (let i = 0; i < count; i += 1) {
        const [there, elsewhere] = i % 2 === 0 ? replicas : ([replicas[1], replicas[0]] as const);
        answers.push(
          (async () => {
            const { status, body } = await there.scim('POST', '/Users', entraUser(person(from + i)));
            const seen = await elsewhere.scim('GET', `/Users/${String(body.id)}`);
            return [status, seen.body.userName];
          })(),
        );
        await sleep(1_000 / perSecond);
      }
      const expected = Array.from({ length: count }, (_, i) => [201, person(from + i).userName]);
      expect(await Promise.all(answers)).toEqual(expected);
    };
    await wave(1, 50, 25);
    await wave(1_001, 300, 100);
    const found = await replicas[0].scim('GET', '/Users?count=0');
    expect(found.body.totalResults).toBe(350);
    expect((await replicas[1].health()).pending, 'and all of it is still to be done').toBe(350);
    for (const { url } of replicas) expect((await fetch(`${url}/readyz`)).status).toBe(200);
  });
});

describe('a rejection that nobody handles', () => {
  test('F75 is told, ends the process with an error code, and the next process goes on; what was acknowledged is not lost', async () => {
    const doomed = await stage.start({ NODE_OPTIONS: `--import=${REJECTION}` });
    stage.sandbox.state.setFault({ kind: 'slow', delayMs: 300 });
    for (let n = 1; n <= 8; n += 1) expect(await post(doomed, n)).toBe(201);
    await doomed.kill('SIGUSR1');
    const { code, signal } = await doomed.waitForEnd();
    expect([typeof code, signal]).toEqual(['number', null]);
    expect(code).not.toBe(0);
    const printed = doomed.output.join('');
    expect(printed).toContain('"level":"fatal"');
    expect(printed).toContain('nobody expected this');
    expect(printed).not.toContain(SCIM_TOKEN);
    const heir = await stage.start();
    await heir.settled(25_000);
    expect(stage.sandbox.state.customers()).toHaveLength(8);
    expect(stage.sandbox.state.ledger().filter(({ method, applied }) => method === 'POST' && applied)).toHaveLength(8);
  });
});

describe('a secret that changes in its file while the service runs', () => {
  const KEYS = { old: API_KEY, next: 'e2e-maxio-key-next-91ab', third: 'e2e-maxio-key-third-77fe' };

  function write(name: string, text: string): string {
    const file = join(folder, name);
    writeFileSync(file, `${text}\n`);
    return file;
  }

  /** With the key in a file in place of the variable. */
  async function startWithFile(env: Record<string, string> = {}): Promise<Service> {
    return await stage.start({ MAXIO_API_KEY: '', MAXIO_API_KEY_FILE: write('api-key', KEYS.old), LOG_LEVEL: 'trace', ...env });
  }

  function expectUnprinted(service: Service, ...texts: string[]): void {
    const printed = service.output.join('');
    for (const text of texts) {
      expect(printed).not.toContain(text);
      expect(printed).not.toContain(Buffer.from(`${text}:x`).toString('base64'));
    }
  }

  const refusals = (): number => stage.sandbox.state.ledger().filter(({ status }) => status === 401).length;
  const customers = (): number => stage.sandbox.state.customers().length;

  test('F79 on SIGHUP the new API key is used at once; a call that left with the old one ends as it would have', async () => {
    const service = await startWithFile();
    expect(await post(service, 1)).toBe(201);
    await service.settled();
    stage.sandbox.state.setFault({ match: { method: 'POST' }, kind: 'slow', delayMs: 60_000, times: 1 });
    expect(await post(service, 2)).toBe(201);
    await until('a call is at work', () =>
      stage.sandbox.state.ledger().some(({ fault, finishedMs }) => fault === 'slow' && finishedMs === null),
    );

    stage.sandbox.state.changeKey(KEYS.next);
    write('api-key', KEYS.next);
    service.signal('SIGHUP');
    await until('the new key is taken over', () => service.output.join('').includes('a secret was replaced'));
    expect(await post(service, 3)).toBe(201);
    await until('the new key opens the site', () => customers() === 2);
    stage.sandbox.state.release();
    await service.settled();
    expect(customers()).toBe(3);
    expect(refusals()).toBe(0);
    expectUnprinted(service, KEYS.old, KEYS.next);
  });

  test('F79 without a signal it is noticed by itself, and a site that is paused because the old key was refused goes on', {
    timeout: 120_000,
  }, async () => {
    const service = await startWithFile();
    expect(await post(service, 1)).toBe(201);
    await service.settled();
    stage.sandbox.state.changeKey(KEYS.next);
    expect(await post(service, 2)).toBe(201);
    await until('the pause shows', async () => JSON.stringify(await service.health()).includes('unauthorized'));
    const before = refusals();
    write('api-key', KEYS.next);
    await until('the site goes on', () => customers() === 2, UNNOTICED);
    await service.settled();
    expect(refusals() - before, 'besides probes of the pause with the old key').toBeLessThanOrEqual(1);
    expect(JSON.stringify(await service.health())).not.toContain('unauthorized');
  });

  test('F79 a key that is refused at the first contact: the right one in its file is enough', async () => {
    stage.sandbox.state.changeKey(KEYS.next);
    const service = await startWithFile();
    await until('the old key was refused', () => refusals() === 1);
    expect(await post(service, 1)).toBe(201);
    write('api-key', KEYS.next);
    service.signal('SIGHUP');
    await service.settled();
    expect(customers()).toBe(1);
  });

  test('F79 I13 a key that is wrong, or opens another site, is not used: the one before goes on, and the log says why', async () => {
    const service = await startWithFile();
    expect(await post(service, 1)).toBe(201);
    await service.settled();
    write('api-key', 'e2e-maxio-key-mistyped-0');
    service.signal('SIGHUP');
    await until('the log says why', () => service.output.join('').includes('Maxio refuses the new API key'));
    // The same address opens another site to this key, as far as the service can tell.
    stage.sandbox.state.changeKey(KEYS.third);
    stage.sandbox.state.becomeSite(77);
    write('api-key', KEYS.third);
    service.signal('SIGHUP');
    await until('the log says why', () => service.output.join('').includes('the new API key opens another Maxio site'));
    stage.sandbox.state.becomeSite(1);
    stage.sandbox.state.changeKey(KEYS.old);
    expect(await post(service, 2)).toBe(201);
    await service.settled();
    expect(customers()).toBe(2);
    expectUnprinted(service, KEYS.old, KEYS.third, 'e2e-maxio-key-mistyped-0');
  });

  test('F79 a file that is empty or gone changes nothing and is said once', async () => {
    const service = await startWithFile();
    expect(await post(service, 1)).toBe(201);
    rmSync(join(folder, 'api-key'));
    for (let i = 0; i < 3; i += 1) service.signal('SIGHUP');
    const told = () => service.output.join('').split('secrets were not read again').length - 1;
    await until('it is said', () => told() > 0);
    write('api-key', '');
    service.signal('SIGHUP');
    await until('and said in other words', () => service.output.join('').includes('empty file'));
    expect(told()).toBe(2);
    expect(await post(service, 2)).toBe(201);
    await service.settled();
    expect(customers()).toBe(2);
  });

  test('F79 the tokens of the identity provider and of webhooks: the new one opens, the old one does not', async () => {
    const [token, next] = [SCIM_TOKEN, 'e2e-scim-token-next-4410ce'];
    const file = write('scim-token', token);
    const webhookFile = write('webhook-key', 'first-shared-key');
    const service = await stage.start({
      SCIM_TOKEN: '',
      SCIM_TOKEN_FILE: file,
      MAXIO_WEBHOOK_KEY_FILE: webhookFile,
      LOG_LEVEL: 'trace',
    });
    const askAs = async (bearer: string): Promise<number> =>
      (await fetch(`${service.url}/scim/v2/Users?count=0`, { headers: { authorization: `Bearer ${bearer}` } })).status;
    stage.sandbox.state.settings({ webhookKey: 'second-shared-key' });
    stage.sandbox.state.listen(`${service.url}/maxio/webhooks/us.acme`);
    expect([await askAs(token), await askAs(next)]).toEqual([200, 401]);
    write('scim-token', next);
    write('webhook-key', 'second-shared-key');
    service.signal('SIGHUP');
    await until('the new token opens', async () => (await askAs(next)) === 200);
    expect(await askAs(token)).toBe(401);
    stage.sandbox.state.seed({ customers: [{ first_name: 'A', last_name: 'B', email: 'a@example.com', reference: 'a' }] });
    stage.sandbox.state.editCustomer(stage.sandbox.state.customers()[0]?.id ?? 0, { last_name: 'C' });
    await until('a message signed with the new key is taken', () =>
      stage.sandbox.state.webhooks().some(({ acceptedMs }) => acceptedMs !== null),
    );
    expectUnprinted(service, next, 'second-shared-key');
  });

  test('F79 S5 the tokens of operators: who was removed is shut out, with the page that was open, and a broken file shuts nobody out', async () => {
    const [token, next] = [OPS_TOKEN, 'e2e-ops-token-next-5d20c7'];
    const file = write('ops-token', token);
    const operators = (names: string[]): string =>
      JSON.stringify(OPERATORS.filter(({ name }) => names.includes(name)).map((one) => ({ ...one, role: 'approver' })));
    const operatorsFile = write('operators.json', operators(['anna', 'otto']));
    const service = await stage.start({
      OPS_TOKEN: '',
      OPS_TOKEN_FILE: file,
      OPS_TOKENS_FILE: operatorsFile,
      LOG_LEVEL: 'trace',
    });
    const askAs = async (bearer: string): Promise<number> =>
      (await fetch(`${service.url}/ops/api/mode`, { headers: { authorization: `Bearer ${bearer}` } })).status;
    const signIn = async (text: string): Promise<string> => {
      const answer = await fetch(`${service.url}/ops/sign-in`, {
        method: 'POST',
        headers: { 'sec-fetch-site': 'same-origin' },
        body: new URLSearchParams({ token: text }),
        redirect: 'manual',
      });
      expect(answer.status).toBe(303);
      return answer.headers.get('set-cookie')?.split(';')[0] ?? '';
    };
    const pageOf = async (cookie: string): Promise<number> => (await fetch(`${service.url}/ops`, { headers: { cookie } })).status;
    const sessions = { ops: await signIn(token), anna: await signIn(tokenOf('anna')), otto: await signIn(tokenOf('otto')) };

    write('ops-token', next);
    write('operators.json', operators(['anna', 'bert']));
    service.signal('SIGHUP');
    await until('the new operator gets in', async () => (await askAs(tokenOf('bert'))) === 200);
    expect([await askAs(next), await askAs(tokenOf('anna'))]).toEqual([200, 200]);
    expect([await askAs(token), await askAs(tokenOf('otto'))], 'what was taken away').toEqual([401, 401]);
    expect([await pageOf(sessions.anna), await pageOf(sessions.otto), await pageOf(sessions.ops)]).toEqual([200, 401, 401]);

    write('operators.json', operators(['anna', 'otto']).slice(0, 40));
    service.signal('SIGHUP');
    await until('it is said', () => service.output.join('').includes('OPS_TOKENS_FILE is not valid JSON'));
    expect([await askAs(tokenOf('bert')), await askAs(tokenOf('otto'))]).toEqual([200, 401]);

    write('operators.json', operators(['anna', 'otto']));
    service.signal('SIGHUP');
    await until('who was put back gets in', async () => (await askAs(tokenOf('otto'))) === 200);
    expect([await askAs(tokenOf('bert')), await pageOf(sessions.otto)], 'an old window stays shut').toEqual([401, 401]);
    expectUnprinted(service, token, next, tokenOf('anna'), tokenOf('otto'), tokenOf('bert'));
  });
});
