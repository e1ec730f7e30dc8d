/**
 * Guarantees of `npm run demo`, from outside: it works with a Redis on PATH and without one, says where everything is, its three lines work as pasted,
 * its story converges at the price it states, it stays up, and it leaves nothing behind however it ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { redisBinary } from '../support/redis-binary.ts';

const END = 'Ctrl-C ends it.';
const WAIT = { timeout: 60_000, interval: 100 };

class Demo {
  readonly child: ChildProcess;
  output = '';

  constructor(env: Record<string, string> = {}, args: string[] = []) {
    this.child = spawn(process.execPath, ['src/demo.ts', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, PORT: '0', SANDBOX_PORT: '0', ...env },
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
    running.push(this.child);
  }

  get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Wait until it has told everything; fails early, with its output, when it ended before. */
  async told(): Promise<void> {
    await expect.poll(() => this.output.includes(END) || (this.ended && `ended: ${this.output}`), WAIT).toBe(true);
  }

  async stop(signal: NodeJS.Signals): Promise<number | null> {
    const exited = once(this.child, 'exit');
    this.child.kill(signal);
    await exited;
    return this.child.exitCode;
  }

  found(pattern: RegExp): string {
    const hit = pattern.exec(this.output)?.[1];
    expect(hit, `${pattern} in\n${this.output}`).toBeDefined();
    return hit ?? '';
  }

  /** Do what a pasted curl line would do. */
  async paste(line: string): Promise<{ status: number; body: Record<string, unknown> }> {
    const headers = Object.fromEntries([...line.matchAll(/-H '([^:']+): ([^']*)'/g)].map(([, name, value]) => [name, value]));
    const body = /-d '([^']*)'/.exec(line)?.[1];
    const url = / '?(http:\/\/[^\s']+)'?$/.exec(line)?.[1] ?? '';
    const answer = await fetch(url, { headers, ...(body === undefined ? {} : { method: 'POST', body }) });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  }
}

const running: ChildProcess[] = [];
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});

/** The table at the end, by person. */
function tableOf(output: string): Record<string, string[]> {
  const lines = output.slice(output.lastIndexOf('PERSON')).split('\n').slice(2, 14);
  return Object.fromEntries(
    lines.map((line) => [
      line.slice(0, 16).trim(),
      line
        .slice(16)
        .trim()
        .split(/\s{2,}/),
    ]),
  );
}

test('the demo tells its story on a private Redis, its three lines work as pasted, and Ctrl-C removes everything', async () => {
  const demo = new Demo();
  await demo.told();
  const folder = demo.found(/Redis +a private \S+ in (\S+),/);
  expect(existsSync(folder)).toBe(true);
  expect(demo.output).not.toContain('\u001b');

  const table = tableOf(demo.output);
  expect(Object.keys(table)).toHaveLength(12);
  expect(table['Ann Baker']).toEqual([
    'Okta PUT new name and address: 200',
    'active',
    expect.stringContaining('Ann Baker'),
    'pro active',
    '2',
  ]);
  expect(table['Chloe Martin']?.slice(-2)).toEqual(['pro active', '1']);
  expect(table['Dev Patel']?.slice(-2)).toEqual(['pro active', '4']);
  expect(table['Finn Larsen']?.slice(-2)).toEqual(['pro canceled', '3']);
  expect(table['Jonas Weber']).toEqual(['Entra DELETE leave for good: 204', 'deleted', expect.any(String), 'pro canceled', '3']);
  expect(table['Kofi Mensah']?.slice(-2)).toEqual(['pro active', '3']);

  const figures = demo.found(/(\d+ of 10,000 calls used .*)/);
  expect(readFileSync('README.md', 'utf8'), 'README shows these figures').toContain(figures);
  const [, used, arrived] = /^(\d+) of .*?(\d+) arrived/.exec(figures) ?? [];
  expect(used).toBe(arrived);

  const scim = demo.found(/SCIM base URL +(\S+)/);
  const token = demo.found(/SCIM token +(\S+)/);
  const curls = demo.output.split('\n').filter((line) => line.startsWith('  curl '));
  expect(curls).toHaveLength(3);
  const [join = '', state = '', person = ''] = curls;
  expect((await demo.paste(join)).status).toBe(201);
  await expect.poll(async () => JSON.stringify((await demo.paste(state)).body), WAIT).toContain('you@example.com');
  const view = await demo.paste(person);
  expect(view).toMatchObject({ status: 200, body: { userName: 'you@example.com' } });
  const list = await fetch(`${scim}/Users`, { headers: { authorization: `Bearer ${token}` } });
  expect(await list.json()).toMatchObject({ totalResults: 12 });

  expect(await demo.stop('SIGINT')).toBe(0);
  expect(existsSync(folder)).toBe(false);
});

test('without any Redis on PATH the demo brings one, says that it is for demos only, and its story converges too', async () => {
  const demo = new Demo({ PATH: '' });
  await demo.told();
  expect(demo.output).toMatch(/Redis +js-redis-server, in memory, FOR DEMOS ONLY/);
  expect(tableOf(demo.output)['Kofi Mensah']?.slice(-2)).toEqual(['pro active', '3']);
  expect(await demo.stop('SIGTERM')).toBe(0);
});

test('DEMO_EMPTY=1 starts without people, and a killed demo leaves no Redis behind', async () => {
  const demo = new Demo({ DEMO_EMPTY: '1' });
  await demo.told();
  const list = await fetch(`${demo.found(/SCIM base URL +(\S+)/)}/Users`, {
    headers: { authorization: `Bearer ${demo.found(/SCIM token +(\S+)/)}` },
  });
  expect(await list.json()).toMatchObject({ totalResults: 0 });
  expect(redisBinary()).toBeDefined();
  const folder = demo.found(/Redis +a private \S+ in (\S+),/);
  await demo.stop('SIGKILL');
  await expect.poll(() => existsSync(folder), WAIT).toBe(false);
});

test('--existing begins with customers, surveys them in observe, counts what creating would have done, and plays on from outside', async () => {
  const demo = new Demo({}, ['--existing', '200']);
  await demo.told();
  const line = demo.found(/^ {2}(export .*)$/m);
  const [, url = ''] = /MAXIO_SCIM_URL=(\S+)/.exec(line) ?? [];
  const [, token = ''] = /OPS_TOKEN=(\S+)/.exec(line) ?? [];
  const sandbox = demo.found(/Maxio sandbox +(\S+)/);
  const ask = async <T>(path: string): Promise<T> => {
    const answer = await fetch(`${url}/ops/api${path}`, { headers: { authorization: `Bearer ${token}` } });
    return (await answer.json()) as T;
  };
  expect(await ask('/survey')).toMatchObject({ state: 'done', customers: 200 });
  expect(demo.output).toMatch(/20 people in 40 SCIM requests\. Calls that write at Maxio: 0\./);
  const ledger = (await (await fetch(`${sandbox}/__sandbox/ledger`)).json()) as { method: string }[];
  expect(ledger.filter(({ method }) => method !== 'GET')).toEqual([]);
  expect(Number(demo.found(/customers created\. (\d+) of them were there before/))).toBeGreaterThan(10);
  expect(Number(demo.found(/([\d.,]+) a month too much/).replaceAll(',', ''))).toBeGreaterThan(0);
  expect(demo.output).toContain('npm run demo -- play everyone --existing 200');

  const ports = Object.fromEntries([...line.matchAll(/\b(PORT|SANDBOX_PORT)=(\d+)/g)].map(([, name, value]) => [name, value]));
  const scene = new Demo(ports, ['play', 'everyone', '--existing', '200']);
  await once(scene.child, 'exit');
  expect(scene.output).toContain('180 people were not there yet');
  expect(scene.child.exitCode).toBe(0);
  const list = await fetch(`${url}/scim/v2/Users?count=0`, {
    headers: { authorization: `Bearer ${demo.found(/SCIM token +(\S+)/)}` },
  });
  expect(await list.json()).toMatchObject({ totalResults: 200 });
  expect(await demo.stop('SIGINT')).toBe(0);
}, 90_000);

test.each([
  [['--existing', 'many'], 1, /Give a number from \d+ to \d+, for example --existing 2000/],
  [['--exist'], 1, /unknown option '--exist'[\s\S]*--existing/],
  [['survey'], 1, /"survey" means nothing here; give options, or play and a scene/],
  [['play', 'nothing'], 1, /Allowed choices are everyone, leavers, mistake, undo, staff/],
  [['play', 'mistake'], 1, /no demo answers at \S+; start one in another terminal with npm run demo -- --existing 2000/],
  [['--help'], 0, /docs\/onboarding\.md/],
])('%j is answered with what is right', async (args, code, words) => {
  const demo = new Demo({ PORT: '1', SANDBOX_PORT: '1' }, args);
  await once(demo.child, 'exit');
  expect(demo.output).toMatch(words);
  expect(demo.child.exitCode).toBe(code);
});

test.each(['PORT', 'SANDBOX_PORT'])('a taken %s is told in one sentence that says what to do', async (name) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const address = taken.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const demo = new Demo({ [name]: String(port) });
  await once(demo.child, 'exit');
  taken.close();
  expect(demo.child.exitCode).toBe(1);
  expect(demo.output.trim().split('\n')).toHaveLength(1);
  expect(demo.output).toMatch(new RegExp(`Port ${port} is in use.* ${name}=\\d+ npm run demo`));
});
