/**
 * Guarantees what is said about what this project is made of: which packages it takes from elsewhere and how they are held, that flaws known to a registry stop
 * a release unless somebody has said why not and until when, and that the bill of materials names what the image holds. The registry is one of the test's own.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };

interface Locked {
  version: string;
  resolved?: string;
  integrity?: string;
  link?: boolean;
  dev?: boolean;
  devOptional?: boolean;
  optional?: boolean;
  hasInstallScript?: boolean;
}

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, Locked> };
const locked = Object.entries(packages).filter(([path]) => path !== '');
const shipped = locked.filter(([, { dev, devOptional, optional }]) => !(dev || devOptional || optional));
const nameOf = (path: string): string => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
const day = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);

describe('S21 packages', () => {
  it('are named in exact versions, and few are shipped', () => {
    for (const versions of [packageJson.dependencies, packageJson.devDependencies, packageJson.optionalDependencies]) {
      expect(Object.values(versions).filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
    }
    expect(Object.keys(packageJson.dependencies).length).toBeLessThanOrEqual(20);
    expect(shipped.length).toBeGreaterThan(50);
    expect(shipped.length).toBeLessThanOrEqual(100);
  });

  it('are held to their content, and none comes from git, a file or an address', () => {
    const withoutDigest = locked.filter(([, { integrity, optional }]) => !optional && !integrity?.startsWith('sha512-'));
    expect(withoutDigest.map(([path]) => path)).toEqual([]);
    expect(
      locked.filter(([, { resolved = '', link }]) => link || /^(git|file|http:)/.test(resolved)).map(([path]) => path),
    ).toEqual([]);
    const rules = readFileSync('.npmrc', 'utf8');
    expect(rules).toMatch(/^allow-git=none$/m);
    // Asked for when versions are raised: of an installation npm would ask it, too, and refuse what the lockfile pins.
    expect(rules).not.toContain('min-release-age');
    expect(packageJson.scripts['deps:update']).toContain('--min-release-age=7');
  });

  it('run nothing when they are installed', () => {
    const scripted = locked.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => nameOf(path));
    const allowed: Record<string, boolean> = packageJson.allowScripts;
    expect(scripted.filter((name) => allowed[name] !== false)).toEqual([]);
    expect(readFileSync('Dockerfile', 'utf8')).toMatch(/^RUN npm ci .*--ignore-scripts$/m);
  });
});

describe('S21 the bill of materials', () => {
  it('is CycloneDX, and names what is shipped with its digest and what needs what, and nothing else', async () => {
    const { out, code } = await run(process.execPath, ['scripts/sbom.ts']);
    const bom = JSON.parse(out) as {
      bomFormat: string;
      components: { name: string; version: string; purl: string; hashes: { alg: string; content: string }[] }[];
      dependencies: { ref: string; dependsOn: string[] }[];
    };
    expect([code, bom.bomFormat]).toEqual([0, 'CycloneDX']);
    const named = (list: { name: string; version: string }[]): string[] =>
      [...new Set(list.map(({ name, version }) => `${name}@${version}`))].toSorted();
    expect(named(bom.components)).toEqual(named(shipped.map(([path, { version }]) => ({ name: nameOf(path), version }))));
    for (const { name, hashes } of bom.components)
      expect(hashes, name).toEqual([{ alg: 'SHA-512', content: expect.stringMatching(/^[0-9a-f]{128}$/) }]);
    const refs = new Set(bom.components.map(({ purl }) => purl));
    const [self, ...others] = bom.dependencies;
    expect(self?.dependsOn).toHaveLength(Object.keys(packageJson.dependencies).length);
    expect(others).toHaveLength(refs.size);
    expect(bom.dependencies.flatMap(({ dependsOn }) => dependsOn).filter((ref) => !refs.has(ref))).toEqual([]);
  });
});

/** Runs a program to its end. */
async function run(
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    said.out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    said.err += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...said };
}

describe('S21 the gate against known flaws', () => {
  const ADVISORY = 'GHSA-abcd-2345-wxyz';
  let registry: Server;
  let folder: string;
  let flawed = true;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'maxio-scim-audit-'));
    const dependencies = { 'flawed-package': '1.0.0' };
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'x', version: '1.0.0', dependencies }));
    const entry = { version: '1.0.0', integrity: `sha512-${Buffer.alloc(64).toString('base64')}` };
    const lock = {
      name: 'x',
      version: '1.0.0',
      lockfileVersion: 3,
      packages: { '': { name: 'x', version: '1.0.0', dependencies }, 'node_modules/flawed-package': entry },
    };
    writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lock));
    registry = createServer((request, response) => {
      request.resume().on('end', () => {
        const advisory = {
          id: 1,
          url: `https://github.com/advisories/${ADVISORY}`,
          title: 'It does what it should not',
          severity: 'high',
          vulnerable_versions: '<2.0.0',
          cwe: [],
          cvss: { score: 0, vectorString: null },
        };
        const body = request.url?.endsWith('/advisories/bulk')
          ? flawed
            ? { 'flawed-package': [advisory] }
            : {}
          : {
              name: 'flawed-package',
              'dist-tags': { latest: '1.0.0' },
              versions: { '1.0.0': { name: 'flawed-package', version: '1.0.0' } },
            };
        response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
      });
    });
    await once(registry.listen(0, '127.0.0.1'), 'listening');
  });
  afterAll(() => {
    registry?.close();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  const gate = (
    exceptions: unknown,
    { release = false, away = false } = {},
  ): Promise<{ code: number | null; out: string; err: string }> => {
    const file = join(folder, 'exceptions.json');
    writeFileSync(file, JSON.stringify(exceptions));
    const { port } = registry.address() as AddressInfo;
    const settings = {
      npm_config_registry: `http://127.0.0.1:${away ? 1 : port}`,
      npm_config_cache: join(folder, 'cache'),
      npm_config_fetch_retries: '0',
      npm_config_audit_level: 'low',
    };
    return run(
      process.execPath,
      ['scripts/audit-gate.ts', '--folder', folder, '--exceptions', file, ...(release ? ['--release'] : [])],
      settings,
    );
  };
  const exception = (expires: string, advisory = ADVISORY) => ({
    advisory,
    why: 'What it does wrong is not used here.',
    expires,
  });

  it.each([
    ['a flaw that nobody has judged', [], 1, /GHSA-abcd-2345-wxyz high: flawed-package: It does what it should not/],
    ['one with an exception', [exception(day(30))], 0, /^$/],
    ['an exception that ended yesterday', [exception(day(-1))], 1, /has expired on .*: mend it, or judge it anew/],
    ['an exception for half a year', [exception(day(180))], 1, /at most 90 days from today/],
    [
      'an exception for what is not there',
      [exception(day(30)), exception(day(30), 'GHSA-2222-3333-4444')],
      1,
      /nothing has GHSA-2222-3333-4444 any more/,
    ],
    ['an exception without a reason', [{ ...exception(day(30)), why: 'ok' }], 1, /why/],
  ])('%s', { timeout: 120_000 }, async (_what, exceptions, code, says) => {
    flawed = true;
    const ended = await gate(exceptions);
    expect(ended.err).toMatch(says);
    expect(ended.code).toBe(code);
  });

  it('passes where nothing is known', { timeout: 120_000 }, async () => {
    flawed = false;
    expect(await gate([], { release: true })).toEqual({
      code: 0,
      err: '',
      out: 'No known flaw in the packages of the lockfile.\n',
    });
  });

  it('without an answer passes with a warning, and never for a release', { timeout: 120_000 }, async () => {
    const daily = await gate([], { away: true });
    expect([daily.code, daily.err]).toEqual([0, expect.stringContaining('Nothing is proven by this')]);
    const release = await gate([], { away: true, release: true });
    expect([release.code, release.err]).toEqual([1, expect.stringContaining('A release needs that answer')]);
    const expired = await gate([exception(day(-1))], { away: true });
    expect(expired.code, 'an expired exception fails without a network too').toBe(1);
  });

  it('is fed with exceptions that can be read, none of which has ended', async () => {
    const own = JSON.parse(readFileSync('security/exceptions.json', 'utf8')) as { expires: string }[];
    expect(own.filter(({ expires }) => expires < day(0))).toEqual([]);
  });
});
