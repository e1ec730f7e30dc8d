/**
 * Guarantees that docs/onboarding.md works as it is written: every `sh` block of the page is run in its order, against the demo that its first block starts,
 * in a folder of its own, and after each section the states that the page claims are asked for. Exit codes and states are asserted, never times.
 * Refuses a section with commands that nothing is asserted about.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createCompany } from '../../src/demo/company.ts';
import { createKnock, type Knock } from '../../src/demo/scim-door.ts';
import { TOKENS } from '../../src/demo/tokens.ts';
import type { LedgerEntry } from '../../src/sandbox/ledger.ts';
import { OpsDoor } from '../support/rollout.ts';

interface Block {
  commands: string;
  /** What the page shows below the commands; … stands for anything. */
  shown: string[];
}

interface Section {
  title: string;
  blocks: Block[];
}

const page = readFileSync('docs/onboarding.md', 'utf8');
const sections: Section[] = page
  .split(/^## /m)
  .slice(1)
  .map((text) => ({
    title: text.slice(0, text.indexOf('\n')),
    blocks: [...text.matchAll(/^```sh\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?/gms)].map(([, commands = '', shown = '']) => ({
      commands,
      shown: shown.split('\n').filter((line) => line.replaceAll('…', '').trim() !== ''),
    })),
  }));
const START = 'npm run demo -- --existing 2000\n';
/** Differences are told by the exit code too, as the page says. */
const DIFFERS = 1;
const LONG = { timeout: 120_000, interval: 250 };
const company = createCompany(2_000);

let folder: string;
let demo: ChildProcess;
let output = '';
let exported = '';
let ops: OpsDoor;
let knock: Knock;
let sandboxUrl: string;

/** A folder in which the commands of the page run as in the repository, and leave their files. */
function stage(): string {
  const made = mkdtempSync(join(tmpdir(), 'onboarding-'));
  for (const name of ['package.json', 'node_modules', 'src', 'bin']) symlinkSync(resolve(name), join(made, name));
  return made;
}

function environment(): NodeJS.ProcessEnv {
  const PATH = [dirname(process.execPath), process.env.PATH].join(delimiter);
  return { PATH, HOME: process.env.HOME, NO_COLOR: '1', PORT: '0', SANDBOX_PORT: '0' };
}

function run(block: string): Promise<{ code: number | null; said: string }> {
  const child = spawn('bash', ['-e', '-o', 'pipefail', '-c', `${exported}\n${block}`], { cwd: folder, env: environment() });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  }
  return new Promise((done) => child.once('close', (code) => done({ code, said })));
}

function numberOf(title: string): string {
  return /^\d+/.exec(title)?.[0] ?? title;
}

/** A line of the page as a pattern: … is anything, and columns may be wider. */
function patternOf(line: string): RegExp {
  const words = line.trim().split(/\s+/);
  return new RegExp(words.map((word) => RegExp.escape(word).replaceAll('…', '.*')).join('\\s*'));
}

async function ledger(): Promise<LedgerEntry[]> {
  return (await (await fetch(`${sandboxUrl}/__sandbox/ledger`)).json()) as LedgerEntry[];
}

async function writes(): Promise<LedgerEntry[]> {
  return (await ledger()).filter(({ method }) => method !== 'GET');
}

async function state(): Promise<{
  customers: { id: number; email: string; reference: string | null; last_name: string }[];
  subscriptions: { id: number; state: string; customer: { email: string } }[];
}> {
  return (await (await fetch(`${sandboxUrl}/__sandbox/state`)).json()) as never;
}

async function mode(): Promise<string> {
  const { sites } = await ops.get<{ sites: { mode: string }[] }>('/mode');
  return sites[0]?.mode ?? '';
}

async function settled(): Promise<void> {
  await vi.waitFor(async () => {
    const { sites } = await ops.get<{ sites: { pending: number }[] }>('/status');
    expect(sites[0]?.pending).toBe(0);
  }, LONG);
}

/** E-mail addresses of people whose subscriptions the service has canceled. */
async function canceled(): Promise<string[]> {
  const { subscriptions } = await state();
  const ended = (await writes())
    .filter(({ method, body }) => method === 'DELETE' && JSON.stringify(body ?? '').includes('scim'))
    .map(({ path }) => Number(/\/subscriptions\/(\d+)\.json/.exec(path)?.[1]));
  return subscriptions.filter(({ id }) => ended.includes(id)).map(({ customer }) => customer.email.toLowerCase());
}

function addresses(people: { email: string }[]): string[] {
  return people.map(({ email }) => email).sort();
}

async function totalOf(filter: string): Promise<unknown> {
  return (await knock('GET', `/Users?filter=${encodeURIComponent(filter)}&count=0`)).body.totalResults;
}

let linked = 0;
let posted = 0;

/** What is true after each section, by the number it begins with. */
const claims: Record<string, (said: string[]) => Promise<void>> = {
  '0': async () => {
    expect(output).toContain('docs/onboarding.md');
    const [, twice = ''] = /(\d+) of them were there before/.exec(output) ?? [];
    expect(readFileSync('README.md', 'utf8').replaceAll(/\s+/g, ' ')).toContain(
      `of 200 people in its pilot group ${twice} would be there twice`,
    );
    expect(await mode()).toBe('observe');
    expect(await writes()).toEqual([]);
  },
  '1': async ([doctor = '']) => {
    expect(doctor).toMatch(/ 0 failed\./);
    expect(doctor).toContain('a second person is impossible');
  },
  '2': async ([said = '']) => {
    expect(said).toContain('observe');
    expect(await writes()).toEqual([]);
  },
  '3': async () => {
    const survey = await ops.surveyed('us.demo');
    expect(survey.customers).toBe(2_000);
    expect(survey.unreferenced).toBeGreaterThan(1_700);
    expect(await writes()).toEqual([]);
  },
  '4': async ([, said = '']) => {
    expect(await totalOf('active eq true')).toBe(2_000);
    expect(said).toContain('what would happen to 2,000 people');
    expect(await writes()).toEqual([]);
  },
  '5': async () => {
    const links = await ops.get<{ applied: number; failed: number; left: number }>('/links');
    expect(links).toMatchObject({ failed: 0, left: 0 });
    linked = links.applied;
    expect(linked).toBeGreaterThan(1_700);
    const made = await writes();
    expect(made).toHaveLength(linked);
    for (const { body } of made) expect(body).toEqual({ customer: { reference: expect.any(String) } });
    const { customers } = await state();
    expect(customers.find(({ id }) => id === 98_840_122)?.reference).toBe(company.people[6]?.externalId);
    expect(customers.find(({ id }) => id === 98_840_119)?.reference).toBe('crm-40003');
  },
  '6': async () => {
    expect(await mode()).toBe('enforce');
    await settled();
    const made = (await writes()).filter(({ method }) => method === 'POST');
    posted = made.length;
    const owned = new Set(company.customers.map(({ email }) => email?.toLowerCase()));
    const strangers = company.people.filter(({ email }) => !owned.has(email));
    // All who are new, and the one who was told apart by hand.
    const { customers } = await state();
    expect(customers).toHaveLength(2_000 + strangers.length + 1);
    const created = made.filter(({ body }) => JSON.stringify(body).includes('customer_attributes'));
    expect(created).toHaveLength(strangers.length + 1);
    expect(await ops.get('/parked')).toMatchObject({ total: 78 });
  },
  '7': async () => {
    await vi.waitFor(async () => expect((await canceled()).sort()).toEqual(addresses(company.leavers)), LONG);
    expect(await ops.get('/held')).toMatchObject({ total: 0 });
  },
  '8': async ([mass = '']) => {
    expect(mass).toContain('1,998 people were deactivated');
    await vi.waitFor(
      async () => expect((await canceled()).sort()).toEqual(addresses([...company.leavers, ...company.gone])),
      LONG,
    );
    await settled();
    expect(await totalOf('active eq false')).toBe(company.leavers.length + company.gone.length);
    expect(await ops.get('/held')).toMatchObject({ total: 0, held: [] });
    expect((await writes()).filter(({ method }) => method === 'POST')).toHaveLength(posted);
  },
  '9': async ([look = '']) => {
    const [renamed, ended] = company.edited;
    expect(look).toContain(renamed.userName);
    expect(look).toContain(ended.userName);
    await vi.waitFor(async () => {
      const { customers } = await state();
      const row = customers.find(({ email }) => email.toLowerCase() === renamed.email);
      expect(row?.last_name).toBe(renamed.familyName);
    }, LONG);
  },
  '10': async ([paused = '']) => {
    expect(paused).toContain('paused');
    expect(await mode()).toBe('enforce');
  },
};

beforeAll(async () => {
  folder = stage();
  demo = spawn('bash', ['-c', `exec ${START}`], { cwd: folder, env: environment(), detached: true });
  for (const stream of [demo.stdout, demo.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  await vi.waitFor(() => {
    if (demo.exitCode === null && !output.includes('Ctrl-C ends it.')) throw new Error(output);
  }, LONG);
  exported = /^ *(export .*)$/m.exec(output)?.[1] ?? '';
  const found = (name: string): string => new RegExp(`\\b${name}=(\\S+)`).exec(exported)?.[1] ?? '';
  ops = new OpsDoor(found('MAXIO_SCIM_URL'), found('OPS_TOKEN'));
  knock = createKnock(`${found('MAXIO_SCIM_URL')}/scim/v2`, TOKENS.scim);
  sandboxUrl = /Maxio sandbox +(\S+)/.exec(output)?.[1] ?? '';
  expect(exported, output).toContain('OPS_TOKEN');
}, 180_000);

afterAll(async () => {
  if (demo.exitCode === null && demo.pid !== undefined) {
    const ended = once(demo, 'exit');
    process.kill(-demo.pid, 'SIGTERM');
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

test('every section with commands is asserted about, and the page begins with the demo', () => {
  expect(
    sections
      .filter(({ blocks }) => blocks.length > 0)
      .map(({ title }) => numberOf(title))
      .toSorted(),
  ).toEqual(Object.keys(claims).toSorted());
  expect(sections[0]?.blocks).toEqual([{ commands: START, shown: [] }]);
  expect(sections.flatMap(({ blocks }) => blocks).filter(({ shown }) => shown.length > 0).length).toBeGreaterThan(8);
  expect(page.match(/^```text$/gm)).toHaveLength(
    sections.flatMap(({ blocks }) => blocks).filter(({ shown }) => shown.length > 0).length,
  );
});

test.each(sections.filter(({ blocks }) => blocks.length > 0))(
  '$title',
  async ({ title, blocks }) => {
    const said: string[] = [];
    for (const { commands, shown } of blocks) {
      if (commands === START) continue;
      const done = await run(commands);
      const wanted = /maxio-scim drift (?!repair)/.test(commands) ? DIFFERS : 0;
      expect(done.code, `${commands}\n${done.said}`).toBe(wanted);
      for (const line of shown) expect(done.said).toMatch(patternOf(line));
      said.push(done.said);
    }
    await claims[numberOf(title)]?.(said);
  },
  240_000,
);
