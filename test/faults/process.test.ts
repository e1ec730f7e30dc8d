/**
 * SIGKILL, and death by want of memory, of a real process at moments that the other tests of this folder do not reach: before anything is stored, between
 * the two halves of an adoption, in the middle of an update, after the commit of a leave, and again and again over one person.
 * Real processes, a real Redis with `appendfsync always`, the sandbox as the witness.
 */
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { oktaUser, type Person, patch, person } from '../support/people.ts';
import { OpsDoor } from '../support/rollout.ts';
import { OPS_TOKEN, SCIM_TOKEN, type Service } from '../support/service.ts';
import { useStage } from '../support/stage.ts';
import { until } from '../support/until.ts';

const PREFIX = 'scim:{us.acme}:';
const HOG = fileURLToPath(new URL('../support/memory-hog.ts', import.meta.url));

const ENV = {
  MAXIO_PRODUCT_HANDLE: 'pro',
  MAXIO_UNKNOWN_OUTCOME_SECONDS: '4',
  MAXIO_CALL_DEADLINE_SECONDS: '1',
  SCIM_IDP: 'okta',
};

const stage = useStage({ env: ENV });

/** What has changed something at Maxio, in order, as method and path without ids. */
function effects(): string[] {
  return stage.sandbox.state
    .ledger()
    .filter(({ applied }) => applied)
    .map(({ method, template }) => `${method} ${template}`);
}

function expectOneBilled(who: Person): void {
  expect(stage.sandbox.state.customers().map(({ reference }) => reference)).toEqual([who.externalId]);
  expect(stage.sandbox.state.subscriptions().map(({ state }) => state)).toEqual(['active']);
}

async function created(service: Service, who: Person): Promise<string> {
  const { status, body } = await service.scim('POST', '/Users', oktaUser(who));
  expect(status).toBe(201);
  return String(body.id);
}

const LEAVE = patch({ op: 'replace', value: { active: false } });

describe('kill -9 before anything is stored', () => {
  test('F01 in the middle of the body: nothing of the person is there, and the same POST works', async () => {
    const doomed = await stage.start();
    const body = JSON.stringify(oktaUser(person(1)));
    const { hostname, port } = new URL(doomed.url);
    const socket = connect(Number(port), hostname);
    const closed = new Promise((resolve) => socket.once('close', resolve).on('error', () => undefined));
    const head = `POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${SCIM_TOKEN}\r\nContent-Type: application/scim+json\r\n`;
    let heard = '';
    socket.on('data', (chunk) => {
      heard += chunk.toString();
    });
    // Asked to say that it goes on, the server has read the head for certain.
    socket.write(`${head}Expect: 100-continue\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`);
    await until('the server wants the body', () => heard.includes('100 Continue'));
    socket.write(body.slice(0, body.length / 2));
    await doomed.kill();
    await closed;
    expect(heard).not.toContain('HTTP/1.1 201');
    await expectNothingStored();
    await expectTheSamePostToWork();
  });

  test('F01 before the commit: nothing of the person is there, and the same POST works', async () => {
    const doomed = await stage.start({ FAILPOINT: 'before_commit:kill' });
    const reply = await doomed.scim('POST', '/Users', oktaUser(person(1))).catch(() => 'reset');
    expect(reply).toBe('reset');
    expect((await doomed.waitForEnd()).signal).toBe('SIGKILL');
    await expectNothingStored();
    await expectTheSamePostToWork();
  });

  async function expectNothingStored(): Promise<void> {
    expect(await stage.commands.keys(`${PREFIX}user:*`)).toEqual([]);
    expect(await stage.commands.zcard(`${PREFIX}dirty`)).toBe(0);
    expect(effects()).toEqual([]);
  }

  async function expectTheSamePostToWork(): Promise<void> {
    const heir = await stage.start();
    await created(heir, person(1));
    await heir.settled();
    expectOneBilled(person(1));
  }
});

describe('kill -9 of a worker that adopts a customer', () => {
  test.each([
    ['after the adoption was noted, before the subscription is asked for', 'before_send:kill:2'],
    ['after the subscription took effect, before that was recorded', 'after_answer:kill'],
  ])('F09 %s: one customer, one subscription', async (_when, failpoint) => {
    const who = person(1);
    const { givenName: first_name, familyName: last_name, userName: email, externalId: reference } = who;
    stage.sandbox.state.seed({ customers: [{ first_name, last_name, email, reference, subscriptions: [] }] });
    const doomed = await stage.start({ FAILPOINT: failpoint });
    await created(doomed, who);
    expect((await doomed.waitForEnd()).signal).toBe('SIGKILL');
    const heir = await stage.start();
    await heir.settled(25_000);
    expectOneBilled(who);
    expect(effects().filter((each) => each === 'POST /subscriptions.json')).toHaveLength(1);
  });
});

describe('kill -9 of a worker in the middle of an update', () => {
  test.each([
    ['before the PUT leaves', 'before_send:kill'],
    ['after the PUT took effect', 'after_answer:kill'],
  ])('F11 %s: the last word wins, and no field is lost', async (_when, failpoint) => {
    const who = person(1);
    const api = await stage.start({ ROLE: 'api' });
    const first = await stage.start({ ROLE: 'worker' });
    const id = await created(api, who);
    await api.settled();
    await first.kill('SIGTERM');

    const doomed = await stage.start({ ROLE: 'worker', FAILPOINT: failpoint });
    const change = (...operations: Record<string, unknown>[]) => api.scim('PATCH', `/Users/${id}`, patch(...operations));
    const one = { op: 'replace', path: 'name.familyName', value: 'Once' };
    const phone = { op: 'add', path: 'phoneNumbers', value: [{ type: 'work', value: '+43 1 234' }] };
    expect((await change(one, phone)).status).toBe(200);
    expect((await doomed.waitForEnd()).signal).toBe('SIGKILL');
    expect((await change({ op: 'replace', path: 'name.familyName', value: 'Twice' })).status).toBe(200);
    await stage.start({ ROLE: 'worker' });
    await api.settled(25_000);
    expect(stage.sandbox.state.customers()).toMatchObject([{ last_name: 'Twice', phone: '+43 1 234' }]);
    // In the order of the generations: never the first word after the second.
    const sent = stage.sandbox.state.ledger().flatMap(({ method, body }) => (method === 'PUT' ? [lastNameOf(body)] : []));
    expect(sent.slice(sent.indexOf('Twice')).filter((name) => name !== 'Twice')).toEqual([]);
    expectOneBilled(who);
  });

  function lastNameOf(body: unknown): unknown {
    return (body as { customer?: { last_name?: unknown } }).customer?.last_name;
  }
});

describe('kill -9 after the commit of a leave, before its answer', () => {
  test.each([
    ['a deactivation', 'PATCH', LEAVE, 200],
    ['a DELETE', 'DELETE', undefined, 404],
  ] as const)(
    'F12 %s: repeated by the identity provider it is a no-op, and there is one cancel',
    async (_what, method, body, again) => {
      const first = await stage.start();
      const id = await created(first, person(1));
      await first.settled();
      await first.kill('SIGTERM');
      const doomed = await stage.start({ ROLE: 'api', FAILPOINT: 'after_commit:kill' });
      expect(await doomed.scim(method, `/Users/${id}`, body).catch(() => 'reset')).toBe('reset');
      expect((await doomed.waitForEnd()).signal).toBe('SIGKILL');
      const heir = await stage.start();
      expect((await heir.scim(method, `/Users/${id}`, body)).status).toBe(again);
      await heir.settled(25_000);
      expect(stage.sandbox.state.subscriptions().map(({ state }) => state)).toEqual(['canceled']);
      expect(effects().filter((each) => each.startsWith('DELETE'))).toHaveLength(1);
    },
  );
});

describe('workers that die over one person, again and again', () => {
  /** How often workers have gone away in the middle of a run, as every process that noticed has counted it. */
  async function unfinished(...others: Service[]): Promise<number> {
    const figures = await Promise.all(others.map(async ({ url }) => await metrics(url)));
    return figures.reduce(
      (sum, text) => sum + Number(/scim_unfinished_runs_total\{site="us.acme"\} (\d+)/.exec(text)?.[1] ?? 0),
      0,
    );
  }

  async function metrics(url: string): Promise<string> {
    const answer = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${OPS_TOKEN}` } });
    return await answer.text();
  }

  async function storyOf(service: Service, id: string): Promise<string> {
    return JSON.stringify(await new OpsDoor(service.url, OPS_TOKEN).get(`/people/${id}`));
  }

  test('F16 from the third time on it is an error in the log and a line of the story, each time is counted, and the fifth is not the last', {
    timeout: 90_000,
  }, async () => {
    const api = await stage.start({ ROLE: 'api' });
    const id = await created(api, person(1));
    for (let kill = 1; kill <= 5; kill += 1) {
      const doomed = await stage.spawn({ ROLE: 'worker', FAILPOINT: 'after_lease:kill' });
      expect((await doomed.waitForEnd()).signal).toBe('SIGKILL');
    }
    const heir = await stage.start({ ROLE: 'worker' });
    await api.settled(25_000);
    expectOneBilled(person(1));
    expect((await api.health()).parked).toBe(0);
    const printed = stage.services.flatMap(({ output }) => output).join('');
    const told = printed.split('\n').filter((line) => line.includes('workers keep going away over one person'));
    expect(told.map((line) => (JSON.parse(line) as { level: string; times: number }).times)).toEqual([3, 4, 5]);
    expect(told.every((line) => line.includes('"level":"error"') && line.includes(id))).toBe(true);
    expect(await storyOf(api, id)).toContain('3 times by now');
    expect(await unfinished(heir), 'the last worker has found the last one unfinished').toBe(1);
  });

  test('F19 a person over whom workers run out of memory is parked after ten of them, with a reason, and the others are served', {
    timeout: 90_000,
  }, async () => {
    const api = await stage.start({ ROLE: 'api' });
    const poison = person(13);
    const id = await created(api, poison);
    // A real want of memory, as soon as anything about this one person is to be sent.
    const hog = {
      ...ENV,
      ROLE: 'worker',
      NODE_OPTIONS: `--max-old-space-size=96 --import=${HOG}`,
      MEMORY_HOG: poison.externalId,
    };
    const crash = async (): Promise<void> => {
      const doomed = await stage.spawn(hog);
      const { code, signal } = await doomed.waitForEnd();
      expect(signal ?? code).not.toBe(0);
      expect(doomed.output.join('')).toContain('out of memory');
    };
    await crash();
    await crash();
    expect(await stage.commands.hget(`${PREFIX}unfinished`, id)).toBe('1');
    // Seven more that nobody has to wait for.
    await stage.commands.hset(`${PREFIX}unfinished`, id, '8');
    await crash();

    await stage.start(hog);
    const others = [1, 2, 3, 4, 5].map((n) => person(n));
    for (const each of others) await created(api, each);
    await until('the poison is parked', async () => (await api.health()).parked === 1, { timeoutMs: 25_000 });
    await api.settled(25_000);
    const references = stage.sandbox.state.customers().map(({ reference }) => reference);
    expect(references.sort()).toEqual(others.map(({ externalId }) => externalId).sort());
    expect(await storyOf(api, id)).toContain('workers-lost');
  });
});
