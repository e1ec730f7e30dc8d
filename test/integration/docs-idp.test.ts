/**
 * Guarantees that docs/okta.md and docs/entra.md work as they are written. Every `sh` block of a page is run in its order, in one shell as a reader has it, against the
 * demo that its first block starts; between the blocks this test is the identity provider and plays a whole first day: test connection, import, people, groups that give
 * products, a move, leaving. What Maxio then holds is read from the sandbox. Every message that a page explains is one that the source can say.
 * Refuses a section with commands that nothing is asserted about.
 */
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createKnock, type Knock } from '../../src/demo/scim-door.ts';
import { TOKENS } from '../../src/demo/tokens.ts';
import type { LedgerEntry } from '../../src/sandbox/ledger.ts';
import type { JsonObject } from '../../src/scim/types.ts';

type Idp = 'okta' | 'entra';
interface Block {
  commands: string;
  /** What the page shows below the commands; … stands for anything. */
  shown: string[];
}
interface Section {
  title: string;
  blocks: Block[];
}

interface Tokens {
  tokens: { state: string; lastUsedAt: string | null }[];
  configured: { lastUsedAt: string | null } | null;
}
interface Clients {
  clients: { credentials: { kind: string; state: string; lastUsedAt: string | null }[] }[];
}

const START = 'DEMO_EMPTY=1 npm run demo\n';
const LONG = { timeout: 120_000, interval: 200 };
const CORE = 'urn:ietf:params:scim:schemas:core:2.0';
const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
/** Of the list of rules on both pages. */
const PRO = { displayName: 'Billing Pro', externalId: '3c6e1f0a-9d47-4d1b-8a52-70b1c9e4d201' };
const BASIC = { displayName: 'Billing Basic', externalId: '9b1f3c77-5a10-4e55-8f11-2d1d6f0a0002' };

const pages = { okta: readFileSync('docs/okta.md', 'utf8'), entra: readFileSync('docs/entra.md', 'utf8') };

function sectionsOf(page: string): Section[] {
  return page
    .split(/^## /m)
    .slice(1)
    .map((text) => ({
      title: text.slice(0, text.indexOf('\n')),
      blocks: [...text.matchAll(/^```sh\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?/gms)].map(([, commands = '', shown = '']) => ({
        commands,
        shown: shown.split('\n').filter((line) => line.replaceAll('…', '').trim() !== ''),
      })),
    }))
    .filter(({ blocks }) => blocks.length > 0);
}

/** A line of the page as a pattern: … is anything, and columns may be wider. */
function patternOf(line: string): RegExp {
  const words = line.trim().split(/\s+/);
  return new RegExp(words.map((word) => RegExp.escape(word).replaceAll('…', '.*')).join('\\s*'));
}

/** One terminal, as a reader has one: what a block defines, later ones have. */
class Terminal {
  readonly #shell: ChildProcessWithoutNullStreams;
  #said = '';

  constructor(folder: string) {
    this.#shell = spawn('bash', { cwd: folder, env: environment() });
    for (const stream of [this.#shell.stdout, this.#shell.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#said += chunk.toString();
      });
    }
  }

  /** Run a block; each of its commands must succeed, apart from what is in a pipe or a subshell. */
  async run(block: string): Promise<string> {
    const from = this.#said.length;
    const mark = `ended-${from}-`;
    this.#shell.stdin.write(`trap 'failed=1' ERR; failed=0\n${block}\necho "${mark}$failed"\n`);
    await vi.waitFor(() => {
      if (this.#shell.exitCode === null && !new RegExp(`${mark}\\d`).test(this.#said)) throw new Error(this.#said.slice(from));
    }, LONG);
    const said = this.#said.slice(from);
    expect(said, block).toContain(`${mark}0`);
    return said.replace(`${mark}0`, '');
  }

  close(): void {
    this.#shell.kill();
  }
}

function environment(): NodeJS.ProcessEnv {
  const PATH = [dirname(process.execPath), process.env.PATH].join(delimiter);
  return { PATH, HOME: process.env.HOME, NO_COLOR: '1', PORT: '0', SANDBOX_PORT: '0' };
}

/** A folder in which the commands of the pages run as in the repository, and leave their files. */
function stage(): string {
  const made = mkdtempSync(join(tmpdir(), 'docs-idp-'));
  for (const name of ['package.json', 'node_modules', 'src', 'bin']) symlinkSync(resolve(name), join(made, name));
  return made;
}

/** A demo that is up, and what a test asks of it. */
class Demo {
  readonly #child: ChildProcess;
  #output = '';
  url = '';
  #sandboxUrl = '';
  scim: Knock = async () => ({ status: 0, body: {} });

  constructor(folder: string) {
    this.#child = spawn('bash', ['-c', `export DEMO_EMPTY=1; exec npm run demo`], {
      cwd: folder,
      env: environment(),
      detached: true,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString();
      });
    }
  }

  async up(): Promise<void> {
    await vi.waitFor(() => {
      if (this.#child.exitCode === null && !this.#output.includes('Ctrl-C ends it.')) throw new Error(this.#output);
    }, LONG);
    const base = /SCIM base URL +(\S+)/.exec(this.#output)?.[1] ?? '';
    expect(base, this.#output).not.toBe('');
    this.url = base.replace(/\/scim\/v2$/, '');
    this.#sandboxUrl = /Maxio sandbox +(\S+)/.exec(this.#output)?.[1] ?? '';
    this.scim = createKnock(base, TOKENS.scim);
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.pid === undefined) return;
    const ended = once(this.#child, 'exit');
    process.kill(-this.#child.pid, 'SIGTERM');
    await ended;
  }

  /** What an operator is told. */
  async ops<T>(path: string): Promise<T> {
    const answer = await fetch(`${this.url}/ops/api${path}`, { headers: { authorization: `Bearer ${TOKENS.ops}` } });
    expect(answer.status, path).toBe(200);
    return (await answer.json()) as T;
  }

  /** Products and states of somebody's subscriptions at Maxio. */
  async billed(email: string): Promise<string[]> {
    const state = (await (await fetch(`${this.#sandboxUrl}/__sandbox/state`)).json()) as {
      subscriptions: { state: string; product: { handle: string }; customer: { email: string } }[];
    };
    return state.subscriptions
      .filter(({ customer }) => customer.email === email)
      .map(({ product, state: standing }) => `${product.handle} ${standing}`);
  }

  async writes(): Promise<string[]> {
    const ledger = (await (await fetch(`${this.#sandboxUrl}/__sandbox/ledger`)).json()) as LedgerEntry[];
    return ledger.filter(({ method }) => method !== 'GET').map(({ method, path }) => `${method} ${path.replace(/\d+/g, '1')}`);
  }

  /** Wait for what Maxio holds. */
  async until(email: string, wanted: string[]): Promise<void> {
    await vi.waitFor(async () => expect(await this.billed(email)).toEqual(wanted), LONG);
  }
}

function bodyOf(idp: Idp, given: string, family: string, externalId: string): JsonObject {
  const address = `${given}.${family}@example.com`.toLowerCase();
  const common = {
    externalId,
    userName: address,
    displayName: `${given} ${family}`,
    name: { givenName: given, familyName: family },
    emails: [{ primary: true, type: 'work', value: address }],
    active: true,
  };
  return idp === 'okta'
    ? { schemas: [`${CORE}:User`], ...common, groups: [], password: 'x7-unused' }
    : { schemas: [`${CORE}:User`], ...common, roles: [], meta: { resourceType: 'User' } };
}

/** Plays what an identity provider does by itself, in its own dialect. */
class Provider {
  readonly #demo: Demo;
  readonly #idp: Idp;
  readonly #ids = new Map<string, string>();

  constructor(demo: Demo, idp: Idp) {
    this.#demo = demo;
    this.#idp = idp;
  }

  async #send(wanted: number, method: string, path: string, body?: JsonObject): Promise<JsonObject> {
    const answer = await this.#demo.scim(method, path, body);
    expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.body)}`).toBe(wanted);
    return answer.body;
  }

  async total(path: string): Promise<unknown> {
    return (await this.#send(200, 'GET', path)).totalResults;
  }

  async found(path: string): Promise<string> {
    const { Resources } = await this.#send(200, 'GET', path);
    const [first] = Resources as JsonObject[];
    return String(first?.id);
  }

  /** Match, then create. */
  async assign(given: string, family: string, externalId: string): Promise<string> {
    const body = bodyOf(this.#idp, given, family, externalId);
    const filter = encodeURIComponent(`userName eq "${String(body.userName)}"`);
    expect(await this.total(`/Users?filter=${filter}&startIndex=1&count=100`)).toBe(0);
    const id = String((await this.#send(201, 'POST', '/Users', body)).id);
    this.#ids.set(String(body.userName), id);
    return String(body.userName);
  }

  async know(userName: string): Promise<void> {
    this.#ids.set(userName, await this.found(`/Users?filter=${encodeURIComponent(`userName eq "${userName}"`)}`));
  }

  /** Okta's custom app reads and puts the whole; Entra ID patches. */
  async change(userName: string, change: JsonObject): Promise<void> {
    const path = `/Users/${this.#ids.get(userName)}`;
    if (this.#idp === 'okta') {
      await this.#send(200, 'PUT', path, { ...(await this.#send(200, 'GET', path)), ...change });
      return;
    }
    const operations = Object.entries(change).map(([key, value]) => ({
      op: 'Replace',
      path: key,
      value: typeof value === 'boolean' ? (value ? 'True' : 'False') : value,
    }));
    await this.#send(200, 'PATCH', path, { schemas: [PATCH], Operations: operations });
  }

  async pushGroup(group: { displayName: string; externalId: string }, people: string[]): Promise<string> {
    const filter = encodeURIComponent(`displayName eq "${group.displayName}"`);
    expect(await this.total(`/Groups?excludedAttributes=members&filter=${filter}`)).toBe(0);
    const body: JsonObject =
      this.#idp === 'okta'
        ? { schemas: [`${CORE}:Group`], displayName: group.displayName, members: [] }
        : {
            schemas: [`${CORE}:Group`, 'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group'],
            ...group,
            meta: { resourceType: 'Group' },
          };
    const id = String((await this.#send(201, 'POST', '/Groups', body)).id);
    await this.members(id, group.displayName, 'add', people);
    return id;
  }

  async members(group: string, displayName: string, op: 'add' | 'remove', people: string[]): Promise<void> {
    const ids = people.map((userName) => this.#ids.get(userName) ?? '');
    const operations: JsonObject[] =
      this.#idp === 'entra'
        ? [{ op: op === 'add' ? 'Add' : 'Remove', path: 'members', value: ids.map((value) => ({ $ref: null, value })) }]
        : [
            { op: 'replace', value: { id: group, displayName } },
            ...ids.map(
              (value): JsonObject =>
                op === 'add' ? { op, path: 'members', value: [{ value }] } : { op, path: `members[value eq "${value}"]` },
            ),
          ];
    await this.#send(200, 'PATCH', `/Groups/${group}`, { schemas: [PATCH], Operations: operations });
  }
}

interface Day {
  demo: Demo;
  provider: Provider;
  people: string[];
  groups: { pro: string; basic: string };
  /** How many changing calls had been made at the end of the section before. */
  before: string[];
}

/** What happens around a section, by the words its title begins with: what the provider does before its blocks, or before the last of them, and what is true after. */
interface Scene {
  before?(day: Day): Promise<void>;
  beforeLast?(day: Day): Promise<void>;
  after(day: Day): Promise<void>;
}

const CHANGE = 'PUT /subscriptions/1.json';

function scenes(idp: Idp): Record<string, Scene> {
  const first = idp === 'okta' ? 'jane.doe@example.com' : 'ann.lee@example.com';
  const shared: Record<string, Scene> = {
    'A rehearsal': { after: async ({ demo }) => expect(await demo.writes()).toEqual([]) },
    'Before you begin': { after: async ({ demo }) => expect(await demo.writes()).toEqual([]) },
    'The app': { after: async ({ provider }) => expect(await provider.total('/Users?startIndex=1&count=2')).toBe(0) },
    Import: { after: async ({ provider }) => expect(await provider.total('/Groups?startIndex=1&count=100')).toBe(0) },
    // The first by the page, two more by the provider: three people, one call each.
    People: {
      async after(day) {
        const { demo, provider, people } = day;
        await provider.know(first);
        people.push(
          first,
          await provider.assign('Omar', 'Haddad', 'id-of-omar'),
          await provider.assign('Rosa', 'Rossi', 'id-of-rosa'),
        );
        for (const email of people) await demo.until(email, ['pro active']);
        expect(await demo.writes()).toEqual(['POST /subscriptions.json', 'POST /subscriptions.json', 'POST /subscriptions.json']);
        await provider.change(people[1] ?? '', { title: 'Lead' });
        expect(await provider.total(`/Users?filter=${encodeURIComponent('title eq "Lead"')}`)).toBe(1);
      },
    },
    Start: { after: async ({ demo }) => expect(await demo.writes()).toHaveLength(3) },
    'Groups, and the plans': {
      async beforeLast({ demo, provider, people, groups }) {
        const [one = '', two = '', three = ''] = people;
        groups.pro = await provider.pushGroup(PRO, [one]);
        groups.basic = await provider.pushGroup(BASIC, [two, three]);
        for (const email of [two, three]) await demo.until(email, ['basic active']);
      },
      async after({ demo, provider, people, groups, before }) {
        const [one = '', two = '', three = ''] = people;
        // Two had the product of the site and have another one of its family now: a call each, and none for whom nothing changes.
        expect((await demo.writes()).slice(before.length)).toEqual([CHANGE, CHANGE]);
        expect(await demo.billed(one)).toEqual(['pro active']);
        // A move, "out" before "in".
        await provider.members(groups.basic, BASIC.displayName, 'remove', [two]);
        await provider.members(groups.pro, PRO.displayName, 'add', [two]);
        await demo.until(two, ['pro active']);
        expect((await demo.writes()).slice(before.length)).toEqual([CHANGE, CHANGE, CHANGE]);
        expect(await demo.billed(three)).toEqual(['basic active']);
      },
    },
    'Changes, leaving': {
      async after({ demo, provider, people, before }) {
        const [one = '', two = '', three = ''] = people;
        await demo.until(one, ['pro canceled']);
        await provider.change(three, { active: false });
        await demo.until(three, ['basic canceled']);
        await provider.change(three, { active: true });
        await demo.until(three, ['basic active']);
        await provider.change(two, { userName: 'omar.h@example.com' });
        expect(await demo.billed(two)).toEqual(['pro active']);
        const ended = (await demo.writes()).slice(before.length).filter((call) => call.startsWith('DELETE'));
        expect(ended).toHaveLength(2);
      },
    },
    'When ': { after: async ({ provider }) => expect(await provider.total('/Users?count=0')).toBe(3) },
    'How often': { after: async ({ demo, before }) => expect(await demo.writes()).toEqual(before) },
    // The first token of the page is over, its second one has entered, and so has whatever a client signs in with.
    'A new token': {
      async after({ demo, before }) {
        const { tokens, configured } = await demo.ops<Tokens>('/tokens');
        expect(tokens).toMatchObject([
          { state: 'live', lastUsedAt: expect.any(String) },
          { state: 'revoked', lastUsedAt: expect.any(String) },
        ]);
        expect(configured?.lastUsedAt).toEqual(expect.any(String));
        const { clients } = await demo.ops<Clients>('/clients');
        const used = { lastUsedAt: expect.any(String) };
        const wanted = [
          [{ kind: 'trust', state: 'live' }],
          [
            { ...used, kind: 'secret', state: 'live' },
            { ...used, state: 'revoked' },
          ],
        ];
        expect(clients.map(({ credentials }) => credentials)).toMatchObject(idp === 'entra' ? wanted : []);
        expect(await demo.writes()).toEqual(before);
      },
    },
  };
  return {
    ...shared,
    // Okta assigns in a section of its own, Entra ID where it is said who is sent.
    ...(idp === 'okta' ? { 'Assign people': shared.People } : { 'Who is sent': shared.People }),
  } as Record<string, Scene>;
}

function sceneOf(all: Record<string, Scene>, title: string): Scene | undefined {
  const words = title.replace(/^\d+\. /, '');
  return Object.entries(all).find(([begins]) => words.startsWith(begins))?.[1];
}

describe.each(['okta', 'entra'] as const)('docs/%s.md', (idp) => {
  const sections = sectionsOf(pages[idp]);
  const played = scenes(idp);
  let folder: string;
  let terminal: Terminal;
  let day: Day;

  beforeAll(async () => {
    folder = stage();
    const demo = new Demo(folder);
    day = { demo, provider: new Provider(demo, idp), people: [], groups: { pro: '', basic: '' }, before: [] };
    terminal = new Terminal(folder);
    await demo.up();
  }, 180_000);
  afterAll(async () => {
    terminal.close();
    await day.demo.close();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  test('every section with commands is asserted about, and the page begins with the demo', () => {
    for (const { title } of sections) expect(sceneOf(played, title), title).toBeDefined();
    expect(sections.length).toBeGreaterThan(6);
    expect(sections[0]?.blocks[0]).toEqual({ commands: START, shown: [] });
    expect(pages[idp].match(/^```text$/gm)).toHaveLength(
      sections.flatMap(({ blocks }) => blocks).filter(({ shown }) => shown.length > 0).length,
    );
    for (const token of [TOKENS.scim, TOKENS.ops]) expect(pages[idp]).toContain(token);
  });

  test('a command that fails is noticed, and what it set stays', async () => {
    await expect(terminal.run('kept=yes\nfalse\ntrue')).rejects.toThrow('-0');
    expect(await terminal.run('echo "$kept"')).toContain('yes');
  });

  test.each(sections)(
    '$title',
    async ({ title, blocks }) => {
      const scene = sceneOf(played, title);
      day.before = await day.demo.writes();
      await scene?.before?.(day);
      for (const [at, { commands, shown }] of blocks.entries()) {
        if (commands === START) continue;
        if (at === blocks.length - 1) await scene?.beforeLast?.(day);
        const check = async (): Promise<void> => {
          const said = await terminal.run(commands.replaceAll('http://localhost:8080', day.demo.url));
          for (const line of shown) expect(said).toMatch(patternOf(line));
        };
        // A person is shown in step once Maxio has answered.
        await (commands.startsWith('npx maxio-scim person') ? vi.waitFor(check, LONG) : check());
      }
      await scene?.after(day);
    },
    240_000,
  );

  test('every message that the page explains is one that the source can say, and no conflict is left out', () => {
    const source = globSync('src/{scim,http,directory}/**/*.ts')
      .map((file) => readFileSync(file, 'utf8'))
      .join('\n');
    const table = /\| The message begins \|.*?\n\n/s.exec(pages[idp])?.[0] ?? '';
    const begins = [...table.matchAll(/^\| `([^`]+)` \|/gm)].map(([, words = '']) => words);
    expect(begins.length).toBeGreaterThan(15);
    for (const words of begins) {
      const pattern = words
        .replace(/^… /, '')
        .split('…')
        .map((part) => RegExp.escape(part))
        .join('\\$\\{[^`]*?\\}');
      // A message begins with a quote, or after what it is told about.
      expect(source, words).toMatch(new RegExp(`['\`}] ?${pattern}`));
    }
    const conflicts = [...source.matchAll(/\buniqueness\(\s*'([^']+)/g)].map(([, text = '']) => text);
    expect(conflicts.length).toBeGreaterThan(5);
    for (const text of conflicts)
      expect(
        begins.some((words) => text.startsWith(words)),
        text,
      ).toBe(true);
  });
});
