/**
 * Owns the promises of the commands for a rollout and for decisions: what each asks of the service, what it prints, what it refuses to do unasked, and how
 * large jobs are cut. The service is a scripted one that notes every request, so that nothing can be sent unseen; cli-service.test.ts meets the real one.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type CliRun, type Ended, startCli } from '../support/cli.ts';

const OPS_TOKEN = 'rollout-ops-CANARY-4d1f9a';

interface Asked {
  method: string;
  path: string;
  query: Record<string, string>;
  body: Record<string, unknown>;
}
type Answer = object | ((asked: Asked) => object) | [status: number, body: object];

let server: Server;
let url: string;
let folder: string;
let asked: Asked[] = [];
let answers: Record<string, Answer> = {};
const runs: CliRun[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'maxio-scim-rollout-'));
  server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://x');
      const text = Buffer.concat(parts).toString();
      const one: Asked = {
        method: request.method ?? '',
        path: pathname.replace('/ops/api', ''),
        query: Object.fromEntries(searchParams),
        body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
      };
      asked.push(one);
      const answer = answers[`${one.method} ${one.path}`];
      const [status, body] = Array.isArray(answer)
        ? (answer as [number, object])
        : [answer === undefined ? 404 : 200, typeof answer === 'function' ? (answer as (asked: Asked) => object)(one) : answer];
      const unknown = { error: 'not-found', detail: `Nothing is scripted for ${one.method} ${one.path}.`, do: 'Script it.' };
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body ?? unknown));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  asked = [];
  answers = {};
});
afterEach(() => {
  for (const { child } of runs.splice(0)) child.kill('SIGKILL');
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

function start(args: string[], input?: string): CliRun {
  const run = startCli(args, { MAXIO_SCIM_URL: url, OPS_TOKEN }, input);
  runs.push(run);
  return run;
}
const cli = async (args: string[], input?: string): Promise<Ended> => await start(args, input).ended;

const posted = (path: string): Record<string, unknown>[] =>
  asked.filter((one) => one.method === 'POST' && one.path === path).map(({ body }) => body);

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const problem = (status: number, detail: string, todo: string): Answer => [status, { error: 'no', detail, do: todo }];

describe('mode', () => {
  const site = {
    site: 'us.acme',
    mode: 'observe',
    by: 'start',
    at: '2027-01-01T00:00:00.000Z',
    why: null,
    before: null,
    survey: null,
  };

  test('shows who set what, when and why', async () => {
    answers['GET /mode'] = {
      sites: [site, { ...site, site: 'eu.beta', mode: 'paused', by: 'dana', why: 'billing\u001b[2J run' }],
    };
    const { code, out } = await cli(['mode']);
    expect(code).toBe(0);
    expect(out).toMatch(/^us\.acme +observe +2027-01-01T00:00:00\.000Z +start/m);
    expect(out).toMatch(/^eu\.beta +paused .* dana .*billing\?\[2J run$/m);
  });

  test('is set in one word, with the reason', async () => {
    answers['POST /mode'] = { site: 'us.acme', mode: 'paused', was: 'enforce' };
    for (const args of [
      ['pause', '--why', 'month end'],
      ['mode', 'paused', '--why', 'month end'],
    ]) {
      expect(await cli(args)).toMatchObject({
        code: 0,
        out: expect.stringContaining('us.acme is paused: Maxio is left alone'),
      });
    }
    expect(posted('/mode')).toEqual([
      { mode: 'paused', why: 'month end' },
      { mode: 'paused', why: 'month end' },
    ]);
  });

  test.each([
    ['enforce', 'enforce'],
    ['observe', 'observe'],
  ])('resume goes back to %s', async (before, wanted) => {
    answers['GET /mode'] = { sites: [{ ...site, mode: 'paused', before }] };
    answers['POST /mode'] = ({ body }) => ({ site: 'us.acme', mode: body.mode, was: 'paused' });
    expect(await cli(['resume'])).toMatchObject({ code: 0 });
    expect(posted('/mode')).toEqual([{ site: 'us.acme', mode: wanted }]);
  });

  test('resume guesses nothing: not paused, not known, or several sites', async () => {
    for (const [sites, code, words] of [
      [[{ ...site, mode: 'enforce' }], 1, 'is not paused'],
      [[{ ...site, mode: 'paused' }], 1, 'not known which mode'],
      [[site, { ...site, site: 'eu.beta' }], 2, '--site: us.acme, eu.beta'],
    ] as const) {
      answers['GET /mode'] = { sites };
      expect(await cli(['resume'])).toMatchObject({ code, out: '', err: expect.stringContaining(words) });
    }
    expect(posted('/mode')).toEqual([]);
  });

  test('a refusal is a no with its cure, whatever its kind', async () => {
    for (const status of [403, 409]) {
      answers['POST /mode'] = problem(status, 'Nobody has released this site.', 'maxio-scim release');
      const { code, err } = await cli(['mode', 'enforce']);
      expect({ code, err }).toEqual({ code: 1, err: 'error: Nobody has released this site.\nmaxio-scim release\n' });
    }
    expect(await cli(['mode', 'Enforce'])).toMatchObject({ code: 2, err: expect.stringContaining('observe, enforce, paused') });
  });
});

describe('survey', () => {
  const running = {
    site: 'us.acme',
    state: 'running',
    phase: 'customers',
    customers: 200,
    subscriptions: 0,
    calls: 2,
    progress: 0.1,
  };
  const done = {
    ...running,
    state: 'done',
    phase: null,
    customers: 20_000,
    subscriptions: 20_000,
    calls: 204,
    progress: 1,
    finishedAt: '2027-01-01T00:10:00Z',
    unreferenced: 19_998,
    detail: 'Look at the link plan.',
  };

  test('--wait stays until it is done and tells the result', async () => {
    let looks = 0;
    answers['POST /survey'] = { ...running, state: 'wanted', customers: 0 };
    answers['GET /survey'] = () => (++looks < 2 ? running : done);
    const { code, out, err } = await cli(['survey', '--wait']);
    expect(code).toBe(0);
    expect(err).toContain('survey, customers: 200 customers, 0 subscriptions, 2 calls');
    expect(err).not.toContain('\u001b');
    expect(out).toContain('20,000 customers, 20,000 subscriptions, 204 calls');
    expect(out).toContain('19,998 customers without a reference.\nLook at the link plan.');
  });

  test('--status begins nothing', async () => {
    answers['GET /survey'] = done;
    expect(await cli(['survey', '--status', '--json'])).toMatchObject({ code: 0, out: `${JSON.stringify(done, null, 2)}\n` });
    expect(posted('/survey')).toEqual([]);
  });

  test('Ctrl-C leaves the survey at work and says so', async () => {
    answers['POST /survey'] = running;
    answers['GET /survey'] = running;
    const run = start(['survey', '--wait']);
    await expect.poll(() => run.seen.err, { timeout: 10_000 }).toContain('200 customers');
    run.child.kill('SIGINT');
    const { code, out, err } = await run.ended;
    expect({ code, out }).toEqual({ code: 130, out: '' });
    expect(err).toContain('The survey goes on in the service.');
    expect(asked.filter(({ method }) => method === 'POST').length).toBe(1);
  });
});

describe('release', () => {
  const plan = {
    site: 'us.acme',
    people: 12,
    counts: { create: 10, park: 2, nothing: 0 },
    examples: { create: [{ id: 'id-1', userName: 'ann@example.com', words: 'a customer' }] },
    monthlyCents: 0,
  };
  const survey = { site: 'us.acme', state: 'done', customers: 3, subscriptions: 3, calls: 4, unreferenced: 2, detail: '' };

  test('shows first what would happen, and nothing happens without a yes', async () => {
    answers['GET /plan'] = plan;
    answers['GET /survey'] = survey;
    const { code, out, err } = await cli(['release', '--accept-unlinked']);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('2 customers without a reference.');
    expect(err).toMatch(/ 10 {2}become a customer\n +ann@example.com: a customer\n +2 {2}would wait for you\n/);
    expect(err).toContain('Add --yes');
    expect(posted('/release')).toEqual([]);

    answers['POST /release'] = { site: 'us.acme', mode: 'enforce', unreferenced: 2, twins: 1 };
    const yes = await cli(['release', '--accept-unlinked', '--yes']);
    expect(yes).toMatchObject({ code: 0, out: expect.stringContaining('us.acme is in enforce') });
    expect(posted('/release')).toEqual([{ acceptUnlinked: true }]);
  });

  test('plan says it too', async () => {
    answers['GET /plan'] = plan;
    expect(await cli(['plan', '--site', 'us.acme'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('what would happen to 12 people'),
    });
    expect(asked[0]?.query).toEqual({ site: 'us.acme' });
    answers['GET /plan'] = { ...plan, people: 0, counts: {}, examples: {} };
    expect((await cli(['plan'])).out).toContain('everyone is in step');
  });
});

describe('links', () => {
  const row = (id: number, more: object = {}): object => ({
    customerId: String(id),
    name: `=Person ${id}`,
    email: `p${id}@example.com`,
    reference: null,
    subscriptions: 1,
    monthlyCents: 29_900,
    match: 'unique',
    personId: `id-${id}`,
    userName: `p${id}@example.com`,
    proposedReference: `scim-${id}`,
    state: 'open',
    ...more,
  });
  const rows = [
    row(1),
    row(2, { match: 'several' }),
    row(3, { match: 'none', userName: null, personId: null, proposedReference: null }),
    row(4, { state: 'separate' }),
    row(5, { state: 'applied' }),
  ];

  test('the plan is a table, or a file whose unique matches are decided on request', async () => {
    answers['GET /links/plan'] = { site: 'us.acme', rows };
    const shown = await cli(['link', 'plan']);
    expect(shown.out).toMatch(/^1 +=Person 1 +p1@example\.com +1 +299\.00 +unique +p1@example\.com +open$/m);
    expect(shown.out).toContain('5 customers: 3 unique, 1 several, 1 none.');

    const path = join(folder, 'plan.csv');
    const written = await cli(['link', 'plan', '--csv', path, '--decide-unique']);
    expect(written).toMatchObject({ code: 0, out: expect.stringContaining('5 customers, 1 unique match decided as link') });
    const lines = readFileSync(path, 'utf8').split('\r\n');
    expect(lines[1]).toBe(`1,'=Person 1,p1@example.com,,1,299.00,unique,p1@example.com,scim-1,link,open`);
    expect(lines.slice(2, 6).map((line) => line.split(',').slice(-2).join())).toEqual([
      ',open',
      ',open',
      'separate,separate',
      'link,applied',
    ]);

    const some = await cli(['link', 'plan', '--csv', '-', '--match', 'none']);
    expect(some.out.split('\r\n').length).toBe(3);
    expect(JSON.parse((await cli(['link', 'plan', '--json', '--match', 'several'])).out)).toMatchObject({
      rows: [{ customerId: '2' }],
    });
  });

  test('what is written is understood when it comes back', async () => {
    answers['GET /links/plan'] = { site: 'us.acme', rows };
    const path = join(folder, 'round.csv');
    await cli(['link', 'plan', '--csv', path, '--decide-unique']);
    answers['POST /links'] = { accepted: 1, already: 2, refused: [] };
    const { code, out, err } = await cli(['link', 'apply', path, '--yes']);
    expect({ code, out }).toEqual({
      code: 0,
      out: '1 accepted, 2 known already, 2 undecided, 0 refused.\nmaxio-scim link status shows how far they are.\n',
    });
    expect(err).toContain('2 to link (598.00 a month), 1 kept separate, 2 undecided, 0 not understood.');
    expect(posted('/links')).toEqual([
      {
        rows: [
          { customerId: '1', decision: 'link', reference: 'scim-1' },
          { customerId: '4', decision: 'separate', reference: 'scim-4' },
          { customerId: '5', decision: 'link', reference: 'scim-5' },
        ],
      },
    ]);
  });

  test('2,500 decisions go in three requests, refusals come back with their lines, and --wait stays until all are set', async () => {
    const lines = Array.from({ length: 2_500 }, (_, at) => `${at + 1};scim-${at + 1};link`);
    const path = file('many.csv', ['customer_id;proposed_reference;decision', ...lines, '0815;;link'].join('\r\n'));
    answers['POST /links'] = ({ body }) => {
      const sent = body.rows as { customerId: string }[];
      const refused = sent.filter(({ customerId }) => customerId === '2001');
      return {
        accepted: sent.length - refused.length,
        already: 0,
        refused: refused.map(({ customerId }) => ({ customerId, detail: 'The survey has not seen it.' })),
      };
    };
    let looks = 0;
    answers['GET /links'] = () => {
      const left = ++looks < 2 ? 2_499 : 0;
      return { site: 'us.acme', wanted: 2_499, applied: 2_499 - left, failed: 0, left, failures: [] };
    };
    const { code, out } = await cli(['link', 'apply', path, '--yes', '--wait', '--site', 'us.acme']);
    expect(code).toBe(1);
    expect(posted('/links').map(({ rows: sent, site }) => [(sent as unknown[]).length, site])).toEqual([
      [1_000, 'us.acme'],
      [1_000, 'us.acme'],
      [500, 'us.acme'],
    ]);
    expect(out).toContain('2,499 accepted, 0 known already, 0 undecided, 2 refused.');
    expect(out).toMatch(/^2002 +2001 +The survey has not seen it\.$/m);
    expect(out).toMatch(/^2502 +0815 +proposed_reference is blank/m);
    expect(out).toContain('2,499 links wanted, 2,499 set at Maxio, 0 failed, 0 left.');
  });

  test('of very many refused lines the first are shown, and one with a whole page in it does not widen the table', async () => {
    const lines = Array.from({ length: 1_500 }, (_, at) => `${at === 0 ? 'x'.repeat(100_000) : at},,link`);
    const path = file('refused.csv', ['customer_id,proposed_reference,decision', ...lines].join('\n'));
    const { code, out } = await cli(['link', 'apply', path, '--yes']);
    expect(code).toBe(1);
    expect(out).toContain('0 accepted, 0 known already, 0 undecided, 1,500 refused.');
    expect(out).toMatch(/^1001 +999 +proposed_reference is blank/m);
    expect(out).toContain('… and 500 more; --json tells all.');
    expect(out).not.toMatch(/^1002 /m);
    expect(out.length).toBeLessThan(200_000);
  });

  test('nothing is sent without a yes, and nothing from a file without decisions', async () => {
    const head = 'customer_id,proposed_reference,decision\n';
    const asking = await cli(['link', 'apply', file('ask.csv', `${head}1,scim-1,link\n`)]);
    expect(asking).toMatchObject({ code: 2, out: '', err: expect.stringContaining('Add --yes') });
    expect(await cli(['link', 'apply', '-', '--yes'], `${head}1,scim-1,\n`)).toMatchObject({
      code: 0,
      out: expect.stringContaining('1 undecided'),
    });
    expect(asked).toEqual([]);
  });

  test('status lists what failed and its exit code says so', async () => {
    const failures = [{ customerId: '7', reference: 'scim-7', detail: 'Maxio: the reference is taken.' }];
    answers['GET /links'] = { site: 'us.acme', wanted: 3, applied: 2, failed: 1, left: 0, failures };
    const { code, out } = await cli(['link', 'status']);
    expect(code).toBe(1);
    expect(out).toMatch(/^7 +scim-7 +Maxio: the reference is taken\.$/m);
  });

  test.each([['plan', '--match', 'exact'], ['plan', '--decide-unique'], ['apply', '/nowhere/plan.csv'], ['apply']])(
    'what is not clear asks nothing: link %s %s',
    async (...args) => {
      expect(await cli(['link', ...args.filter((arg) => arg !== undefined)])).toMatchObject({ code: 2, out: '' });
      expect(asked).toEqual([]);
    },
  );
});

describe('held', () => {
  const person = (at: number): object => ({
    site: 'us.acme',
    id: `id-${at}`,
    userName: `p${at}@example.com`,
    leftAt: '2027-01-01T00:00:00Z',
    deleted: at % 2 === 1,
    why: 'hour',
    subscriptions: 1,
    monthlyCents: 29_900,
    requestId: `req-${at}`,
  });
  const heldOf = (count: number, total = count): object => ({
    site: 'us.acme',
    total,
    tripped: { at: '2027-01-01T00:00:00Z', why: 'hour' },
    monthlyCents: count * 29_900,
    held: Array.from({ length: count }, (_, at) => person(at)),
  });
  const decided = ({ body }: Asked): object => ({
    done: (body.ids as string[]).length,
    already: 0,
    notHeld: [],
    left: 0,
    secondPerson: true,
  });

  test('shows who, what they pay and what to do', async () => {
    answers['GET /held'] = heldOf(2);
    const { code, out } = await cli(['held']);
    expect(code).toBe(0);
    expect(out).toMatch(/^id-1 +p1@example\.com +us\.acme +2027-01-01T00:00:00Z +deleted +1 +299\.00$/m);
    expect(out).toContain('2 people held since 2027-01-01T00:00:00Z (hour); 598.00 a month. They are still billed.');
    answers['GET /held'] = { ...heldOf(0), tripped: null };
    expect((await cli(['held'])).out).toBe('Nobody is held.\n');
  });

  test('--exempt shows whose leave was rejected and by whom, on the screen and as a table', async () => {
    const decision = { decidedBy: 'anna', decidedAt: '2027-01-02T00:00:00Z' };
    answers['GET /held'] = { ...heldOf(0), tripped: null, total: 1, monthlyCents: 29_900, held: [{ ...person(1), ...decision }] };
    const { code, out } = await cli(['held', '--exempt']);
    expect(code).toBe(0);
    expect(asked.at(-1)?.query).toEqual({ limit: '10000', state: 'exempt' });
    expect(out).toMatch(/^id-1 +p1@example\.com .* 299\.00 +anna 2027-01-02T00:00:00Z$/m);
    expect(out).toContain('1 person is exempt; 299.00 a month.');
    const path = join(folder, 'exempt.csv');
    expect((await cli(['held', '--exempt', '--csv', path])).out).toBe(`${path}: 1 person.\n`);
    expect(readFileSync(path, 'utf8')).toContain('299.00,req-1,anna,2027-01-02T00:00:00Z');
    answers['GET /held'] = { ...heldOf(0), tripped: null };
    expect((await cli(['held', '--exempt'])).out).toBe('Nobody is exempt.\n');
  });

  test('--all tells how many and what they pay, and decides about exactly those who were listed', async () => {
    answers['GET /held'] = heldOf(2_000, 2_003);
    const unasked = await cli(['approve', '--all']);
    expect(unasked).toMatchObject({ code: 2, out: '' });
    expect(unasked.err).toContain('2,000 people, 598,000.00 a month: p0@example.com, p1@example.com');
    expect(unasked.err).toContain('3 more are held and not meant');
    expect(unasked.err).toContain('Approve the leaving of 2,000 people?');
    expect(posted('/held/approve')).toEqual([]);

    answers['POST /held/approve'] = decided;
    const { code, out } = await cli(['approve', '--all', '--yes']);
    expect(code).toBe(0);
    expect(out).toContain('2,000 people approved: their subscriptions end now.');
    const sent = posted('/held/approve').map(({ ids }) => ids as string[]);
    expect(sent.map(({ length }) => length)).toEqual([1_000, 1_000]);
    expect(sent.flat()).toEqual(Array.from({ length: 2_000 }, (_, at) => `id-${at}`));
    expect(posted('/held/approve').some((body) => 'all' in body)).toBe(false);
  });

  test('the file of held comes back without the rows that were deleted', async () => {
    answers['GET /held'] = heldOf(3);
    const path = join(folder, 'held.csv');
    expect(await cli(['held', '--csv', path])).toMatchObject({ code: 0, out: expect.stringContaining('3 people') });
    const lines = readFileSync(path, 'utf8').split('\r\n');
    writeFileSync(path, lines.filter((line) => !line.includes('id-1')).join('\r\n'));
    answers['POST /held/reject'] = decided;
    const { code, out } = await cli(['reject', '--file', path, '--yes', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({ done: 2, already: 0, notHeld: [], left: 0, secondPerson: true });
    expect(posted('/held/reject')).toEqual([{ ids: ['id-0', 'id-2'] }]);
  });

  test('F86 asked twice it happens once, and it is said', async () => {
    answers['POST /held/approve'] = { done: 0, already: 2, notHeld: [], left: 5, secondPerson: true };
    const { code, out } = await cli(['approve', 'id-1', 'id-2', 'id-1']);
    expect(code).toBe(0);
    expect(out).toContain('2 people were decided before; nothing was changed.\n5 people are still held.');
    expect(posted('/held/approve')).toEqual([{ ids: ['id-1', 'id-2'] }]);
  });

  test('who is not held, and who may not approve, is a plain no', async () => {
    answers['POST /held/approve'] = { done: 0, already: 0, notHeld: ['id-9'], left: 0, secondPerson: true };
    expect(await cli(['approve', 'id-9'])).toMatchObject({ code: 1, out: expect.stringContaining('Not held: id-9.') });
    answers['POST /held/approve'] = problem(
      403,
      'dana changed the configuration, so somebody else must approve.',
      'Ask one of: bob.',
    );
    expect(await cli(['approve', 'id-9'])).toMatchObject({ code: 1, err: expect.stringContaining('Ask one of: bob.') });
  });

  test.each([[['approve']], [['reject', 'id-1', '--all']], [['approve', '--all', '--file', 'x']]])(
    '%j says nothing clear',
    async (args) => {
      expect(await cli(args)).toMatchObject({ code: 2, out: '', err: expect.stringContaining('maxio-scim held lists the ids') });
      expect(asked).toEqual([]);
    },
  );
});

describe('drift', () => {
  const report = {
    site: 'us.acme',
    state: 'done',
    at: '2027-01-01T00:00:00Z',
    full: true,
    counts: { 'left-billed': 1, 'fields-differ': 1 },
    rows: [
      {
        kind: 'left-billed',
        personId: 'id-1',
        userName: 'p1',
        customerId: '7',
        subscriptionId: '8',
        detail: 'Still billed.',
        sinceAt: 's',
        repair: 'possible',
        exempt: false,
      },
      {
        kind: 'fields-differ',
        personId: 'id-2',
        userName: '=p2',
        customerId: '9',
        subscriptionId: null,
        detail: 'city',
        sinceAt: 's',
        repair: 'contested',
        exempt: false,
      },
    ],
  };

  test('its exit code tells a daily job whether there is any', async () => {
    answers['GET /drift'] = report;
    const { code, out } = await cli(['drift']);
    expect(code).toBe(1);
    expect(out).toMatch(/^left-billed +p1 +7 +8 +can be repaired +Still billed\.$/m);
    expect(out).toMatch(/^fields-differ +=p2 +9 +- +somebody wants it so +city$/m);
    answers['GET /drift'] = { ...report, counts: {}, rows: [] };
    expect(await cli(['drift'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('agree, as of 2027-01-01T00:00:00Z, everything compared'),
    });
  });

  test('people who wait for the identity provider are shown, and no repair is offered', async () => {
    const row = { ...report.rows[0], kind: 'unclaimed', repair: 'none', detail: 'Waits.' };
    answers['GET /drift'] = { ...report, counts: { unclaimed: 1 }, rows: [row] };
    const { code, out } = await cli(['drift']);
    expect(code).toBe(1);
    expect(out).toMatch(/^unclaimed +p1 +7 +8 +look at it +Waits\.$/m);
    expect(out).not.toContain('drift repair');
  });

  test('of one kind is counted by that kind alone, and who is exempt is shown and no alarm', async () => {
    answers['GET /drift'] = { ...report, rows: [] };
    expect(await cli(['drift', '--kind', 'active-unbilled'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('us.acme: no difference of the kind active-unbilled, as of'),
    });
    answers['GET /drift'] = { ...report, rows: [report.rows[0]] };
    const one = await cli(['drift', '--kind', 'left-billed']);
    expect(one.code).toBe(1);
    expect(one.out).toContain('us.acme: 1 difference, as of 2027-01-01T00:00:00Z, everything compared: 1 left-billed.');
    expect(one.out).not.toContain('shown');
    const exempt = { ...report.rows[0], repair: 'none', exempt: true };
    answers['GET /drift'] = { ...report, counts: { 'left-billed': 1 }, rows: [exempt] };
    const { code, out } = await cli(['drift']);
    expect(code).toBe(0);
    expect(out).toMatch(/^left-billed +p1 +7 +8 +exempt/m);
    expect(out).toContain('1 exempt: ');
    answers['GET /drift'] = { ...report, rows: [exempt, report.rows[1]] };
    expect(await cli(['drift'])).toMatchObject({ code: 1 });
  });

  test('looks now on request, whole, and waits', async () => {
    let looks = 0;
    answers['POST /drift'] = { ...report, state: 'wanted' };
    answers['GET /drift'] = () => ({ ...report, state: ++looks < 2 ? 'running' : 'done' });
    const path = join(folder, 'drift.csv');
    expect(await cli(['drift', '--full', '--wait', '--csv', path, '--kind', 'left-billed'])).toMatchObject({ code: 1 });
    expect(posted('/drift')).toEqual([{ full: true }]);
    expect(asked.at(-1)?.query).toEqual({ kind: 'left-billed' });
    expect(readFileSync(path, 'utf8')).toContain("fields-differ,id-2,'=p2,9,,city");
  });

  test('repair says how many first, and whom it left alone', async () => {
    answers['GET /drift'] = report;
    const unasked = await cli(['drift', 'repair', '--all']);
    expect(unasked).toMatchObject({ code: 2, err: expect.stringContaining('Put 1 difference right at us.acme') });
    expect(unasked.err).toContain('Left alone unless named by id, because somebody wants it so: =p2 (id-2).');
    expect(posted('/drift/repair')).toEqual([]);
    answers['POST /drift/repair'] = { repaired: 1, skipped: [{ id: 'id-2', detail: 'Held.' }] };
    const { code, out } = await cli(['drift', 'repair', '--kind', 'left-billed', '--yes']);
    expect({ code, out }).toEqual({ code: 1, out: '1 person is brought back in step.\nid-2: Held.\n1 left alone.\n' });
    answers['POST /drift/repair'] = { repaired: 1, skipped: [] };
    expect(await cli(['drift', 'repair', 'id-1'])).toMatchObject({ code: 0 });
    expect(posted('/drift/repair')).toEqual([{ kind: 'left-billed' }, { ids: ['id-1'] }]);
    // Whoever is not reached in the time of one request is asked for again, and an answer that moves nobody ends it.
    answers['POST /drift/repair'] = { repaired: 0, skipped: [{ id: 'id-2', detail: 'Held.' }], left: 3 };
    expect(await cli(['drift', 'repair', '--all', '--yes'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('maxio-scim status'),
    });
    expect(await cli(['drift', 'repair'])).toMatchObject({ code: 2 });
  });
});

describe('the service itself', () => {
  const applied = { productHandle: 'pro', paymentCollectionMethod: 'remittance', deprovision: 'cancel', author: 'start' };

  test('a configuration that waits is shown before it is approved', async () => {
    const candidate = { ...applied, productHandle: 'basic', author: 'dana' };
    answers['GET /configuration'] = {
      site: 'us.acme',
      applied,
      candidate,
      changes: { people: 1_200, examples: ['ann: pro to basic'] },
    };
    const { code, err } = await cli(['config', 'approve']);
    expect(code).toBe(2);
    expect(err).toMatch(/waits +productHandle basic/);
    expect(err).toContain('1,200 people would be treated differently.');
    expect(posted('/configuration/approve')).toEqual([]);
    answers['POST /configuration/approve'] = { site: 'us.acme', applied: candidate, secondPerson: true };
    expect(await cli(['config', 'approve', '--yes'])).toMatchObject({ code: 0 });
    answers['GET /configuration'] = { site: 'us.acme', applied, candidate: null, changes: null };
    expect((await cli(['config'])).out).toContain('No other configuration waits');
  });

  test('notify-test fails when a channel fails, and when there is none', async () => {
    answers['POST /notices/test'] = { sent: [{ channel: 'webhook', ok: true, detail: 'HTTP 200' }] };
    expect(await cli(['notify-test'])).toMatchObject({ code: 0, out: 'webhook: HTTP 200\n' });
    answers['POST /notices/test'] = { sent: [{ channel: 'mail', ok: false, detail: 'refused' }] };
    expect(await cli(['notify-test'])).toMatchObject({ code: 1 });
    answers['POST /notices/test'] = { sent: [] };
    expect(await cli(['notify-test'])).toMatchObject({ code: 1, out: expect.stringContaining('NOTIFY_WEBHOOK_URL') });
  });

  test('doctor prints a line each, the cure below what needs one, and fails when a check did', async () => {
    const right = { name: 'redis', status: 'pass', finding: 'All is well.', cure: '' };
    const wrong = { name: 'us.acme product', status: 'fail', finding: 'There is none.', cure: 'Set the handle.' };
    answers['GET /doctor'] = { ok: true, checks: [right] };
    expect(await cli(['doctor'])).toMatchObject({
      code: 0,
      out: 'pass  redis  All is well.\n\n1 right, 0 warnings, 0 failed.\n',
    });
    answers['GET /doctor'] = { ok: false, checks: [right, wrong] };
    const { code, out } = await cli(['doctor']);
    expect(code).toBe(1);
    expect(out).toMatch(/^fail {2}us\.acme product {2}There is none\.\n +→ Set the handle\.$/m);
    expect(JSON.parse((await cli(['doctor', '--json'])).out)).toEqual({ ok: false, checks: [right, wrong] });
  });

  test('F88 retry --preview changes nothing and says what it would cost', async () => {
    answers['POST /parked/retry'] = {
      preview: true,
      total: 5_000,
      reasons: [{ reason: 'needs-email', count: 5_000 }],
      notParked: [],
      estimatedCalls: 10_000,
      estimatedSeconds: 3_800,
      detail: '',
    };
    const { code, out } = await cli(['retry', '--preview']);
    expect(code).toBe(0);
    expect(out).toBe(
      '5,000 people would be tried again:\n      5,000  needs-email\nAbout 10,000 calls to Maxio, in about 63 min. Nothing was changed.\n',
    );
    expect(posted('/parked/retry')).toEqual([{ all: true, preview: true }]);
  });
});
