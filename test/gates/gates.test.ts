/**
 * Owns the proof that each static gate bites: plants one violation of every rule into a copy of this checkout, runs
 * `scripts/check.ts` there once, and expects every gate to fail and to name the planted file.
 * Refuses to judge the checkout itself; `npm run check` does that.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const head = '/** Planted. */\n';

/** One file per forbidden import: [folder or file it stands in, what it imports]. */
const upward: [at: string, imports: string][] = [
  ['src/planted-0.ts', './maxio/types.ts'],
  ['src/planted-1.ts', './app.ts'],
  ['src/planted-2.ts', 'bullmq'],
  ['src/planted-3.ts', 'fastify'],
  ['src/scim/planted-0.ts', '../maxio/types.ts'],
  ['src/scim/planted-1.ts', '../directory/users.ts'],
  ['src/scim/planted-2.ts', '../config.ts'],
  ['src/scim/planted-3.ts', 'ioredis'],
  ['src/maxio/planted-0.ts', '../scim/types.ts'],
  ['src/maxio/planted-1.ts', '../directory/users.ts'],
  ['src/maxio/planted-2.ts', '../provisioning/plan.ts'],
  ['src/maxio/planted-3.ts', 'bullmq'],
  ['src/directory/planted-0.ts', '../maxio/types.ts'],
  ['src/directory/planted-1.ts', '../provisioning/plan.ts'],
  ['src/directory/planted-2.ts', '../http/server.ts'],
  ['src/directory/deep/planted-3.ts', '../../maxio/types.ts'],
  ['src/provisioning/planted-0.ts', '../http/server.ts'],
  ['src/provisioning/planted-1.ts', '../ops/health.ts'],
  ['src/provisioning/planted-2.ts', '../app.ts'],
  ['src/provisioning/planted-3.ts', 'fastify'],
  ['src/http/planted-0.ts', '../maxio/types.ts'],
  ['src/http/planted-1.ts', '../ops/health.ts'],
  ['src/http/planted-2.ts', '../app.ts'],
  ['src/http/planted-3.ts', 'bullmq'],
  ['src/ops/planted-0.ts', '../http/server.ts'],
  ['src/ops/planted-1.ts', '../app.ts'],
  ['src/ops/planted-2.ts', 'bullmq'],
  ['src/ops/planted-3.ts', '../sandbox/sandbox.ts'],
  ['src/sandbox/planted-0.ts', '../maxio/types.ts'],
  ['src/sandbox/planted-1.ts', '../scim/types.ts'],
  ['src/conformance/planted-0.ts', '../scim/types.ts'],
  ['src/conformance/planted-1.ts', '../config.ts'],
  ['src/conformance/subjects/planted-2.ts', '../../http/server.ts'],
  ['src/http/planted-4.ts', '../conformance/run.ts'],
  ['src/main.ts', './sandbox/sandbox.ts'],
  ['src/app.ts', './sandbox/sandbox.ts'],
  ['src/app.ts', 'fastify'],
  ['src/demo.ts', 'bullmq'],
];

/** Imports that run downward and must stay possible. */
const downward: [at: string, imports: string][] = [
  ['src/maxio/allowed-0.ts', '../redis.ts'],
  ['src/directory/allowed-0.ts', '../scim/types.ts'],
  ['src/provisioning/allowed-0.ts', '../maxio/types.ts'],
  ['src/provisioning/allowed-1.ts', 'bullmq'],
  ['src/http/allowed-0.ts', 'fastify'],
  ['src/ops/snapshot-allowed.ts', 'bullmq'],
  ['src/sandbox/allowed-0.ts', 'fastify'],
  ['src/conformance/subjects/allowed-0.ts', '../expect.ts'],
  ['src/demo.ts', './sandbox/sandbox.ts'],
];

const sources: Record<string, string> = {
  'src/directory/planted-cycle-a.ts': "import { b } from './planted-cycle-b.ts';\nexport const a = (): number => b();\n",
  'src/directory/planted-cycle-b.ts': "import { a } from './planted-cycle-a.ts';\nexport const b = (): number => a();\n",
  'src/maxio/planted-environment.ts': 'export const key = process.env.MAXIO_API_KEY;\n',
  'src/maxio/planted-format.ts': 'export const   badly = "formatted"\n',
  'src/maxio/planted-any.ts': 'export const loose = (value: any): unknown => value;\n',
  'src/provisioning/planted-floating.ts':
    "import { Queue } from 'bullmq';\nexport function ring(queue: Queue): void {\n  queue.add('nudge', {});\n}\n",
  'src/directory/planted-floating.ts':
    "import type { Redis } from 'ioredis';\nexport function forget(redis: Redis): void {\n  redis.set('a', 'b');\n}\n",
  'src/provisioning/planted-misused.ts':
    "import type { Redis } from 'ioredis';\nexport function later(redis: Redis): void {\n  setTimeout(async () => {\n    await redis.del('a');\n  }, 1);\n}\n",
  'src/directory/planted-connection.ts': "import { Redis } from 'ioredis';\nexport const open = (): Redis => new Redis();\n",
  'src/scim/planted-type.ts': "export const count: number = 'three';\n",
  'src/scim/planted-unused.ts': 'export const imported = 1;\nexport const nobodyImportsThis = 2;\n',
  'scripts/planted-entry.ts': "import { imported } from '../src/scim/planted-unused.ts';\nconsole.log(imported);\n",
  'src/http/planted-dynamic.ts': "export const late = () => import('../maxio/types.ts');\n",
  'src/http/planted-reexport.ts': "export * from '../maxio/types.ts';\n",
  'src/maxio/planted-node-process.ts': "import { env } from 'node:process';\nexport const key = env.MAXIO_API_KEY;\n",
  'src/scim/planted-long-function.ts': `export function long(): void {\n${'  console.log(1);\n'.repeat(61)}}\n`,
  'src/scim/planted-long.ts': `export const long = [\n${'  1,\n'.repeat(300)}];\n`,
};

let copy = '';
let report = '';
let exitCode: number | null = null;

/** Writes a file into the copy, appending where one is there already. */
function plant(path: string, text: string): void {
  const file = join(copy, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, existsSync(file) ? `${readFileSync(file, 'utf8')}\n${text}` : head + text);
}

/** Cuts the output of one gate out of the report. */
function outputOf(gate: string): string {
  const start = report.indexOf(`--- ${gate} ---`);
  const end = report.indexOf('\n--- ', start + 1);
  return start < 0 ? '' : report.slice(start, end < 0 ? undefined : end);
}

/** Finds the rules Biome reports for a file: its findings begin with `path:line:column rule`. */
function biomeRules(path: string): string[] {
  const lines = outputOf('format, lint, layers, cycles').split('\n');
  return lines
    .filter((line) => line.startsWith(`${path}:`) || line.startsWith(`${path} `))
    .map((line) => line.split(' ')[1] ?? '');
}

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'maxio-scim-gates-'));
  for (const name of [
    'src',
    'scripts',
    'bin',
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'biome.json',
    '.oxlintrc.json',
    'knip.json',
  ]) {
    if (existsSync(join(root, name))) cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  cpSync(join(root, 'test/support'), join(copy, 'test/support'), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  writeFileSync(join(copy, '.env.example'), '# stale\n');
  const lock = JSON.parse(readFileSync(join(copy, 'package-lock.json'), 'utf8')) as { packages: Record<string, unknown> };
  lock.packages['node_modules/bullmq/node_modules/ioredis'] = { version: '5.0.0' };
  writeFileSync(join(copy, 'package-lock.json'), JSON.stringify(lock));
  for (const [at, imports] of [...upward, ...downward]) plant(at, `import '${imports}';\n`);
  for (const [path, text] of Object.entries(sources)) plant(path, text);

  const run = spawnSync(process.execPath, ['scripts/check.ts'], { cwd: copy, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  exitCode = run.status;
  report = run.stdout + run.stderr;
}, 120_000);

afterAll(() => rmSync(copy, { recursive: true, force: true }));

describe('npm run check', () => {
  it('fails, and says of every gate that it failed', () => {
    expect(exitCode).toBe(1);
    const lines = report.split('\n').filter((line) => /^(ok {4}|FAILED) /.test(line));
    expect(lines.length).toBeGreaterThanOrEqual(7);
    expect(lines.filter((line) => !line.startsWith('FAILED'))).toEqual([]);
  });

  it('reports a type error', () => {
    expect(outputOf('types')).toMatch(/src\/scim\/planted-type\.ts\(\d+,\d+\): error TS2322/);
  });

  it('reports code that is not formatted', () => {
    expect(biomeRules('src/maxio/planted-format.ts')).toContain('format');
  });

  it('reports a function of more than 60 lines', () => {
    expect(biomeRules('src/scim/planted-long-function.ts')).toContain('lint/complexity/noExcessiveLinesPerFunction');
  });

  it('reports an explicit any', () => {
    expect(biomeRules('src/maxio/planted-any.ts')).toContain('lint/suspicious/noExplicitAny');
  });

  it.each(['src/maxio/planted-environment.ts', 'src/maxio/planted-node-process.ts'])(
    'reports the environment read in %s',
    (path) => {
      expect(biomeRules(path)).toContain('lint/style/noProcessEnv');
    },
  );

  it.each(['src/http/planted-dynamic.ts', 'src/http/planted-reexport.ts'])('reports the upward import in %s', (path) => {
    expect(biomeRules(path)).toContain('lint/style/noRestrictedImports');
  });

  it('reports an import cycle', () => {
    const rules = [...biomeRules('src/directory/planted-cycle-a.ts'), ...biomeRules('src/directory/planted-cycle-b.ts')];
    expect(rules).toContain('lint/suspicious/noImportCycles');
  });

  it.each(upward)('reports the upward import in %s of %s', (at, imports) => {
    expect(biomeRules(at)).toContain('lint/style/noRestrictedImports');
    expect(outputOf('format, lint, layers, cycles')).toContain(`import '${imports}';`);
  });

  it.each(downward.filter(([at]) => at !== 'src/demo.ts'))('allows the downward import in %s of %s', (at) => {
    expect(biomeRules(at)).not.toContain('lint/style/noRestrictedImports');
  });

  it('lets the demo import the sandbox', () => {
    expect(biomeRules('src/demo.ts').filter((rule) => rule === 'lint/style/noRestrictedImports')).toHaveLength(1);
  });

  it.each([
    ['a promise nobody awaits', 'src/provisioning/planted-floating.ts', 'no-floating-promises'],
    ['a promise nobody awaits', 'src/directory/planted-floating.ts', 'no-floating-promises'],
    ['an async callback where nobody awaits it', 'src/provisioning/planted-misused.ts', 'no-misused-promises'],
    ['a connection opened outside redis.ts', 'src/directory/planted-connection.ts', 'no-restricted-imports'],
  ])('reports %s in %s', (_what, path, rule) => {
    const findings = outputOf('promises')
      .split('\n')
      .filter((line) => line.startsWith(`${path}:`));
    expect(findings).toEqual([expect.stringContaining(rule)]);
  });

  it('reports an export nobody uses', () => {
    expect(outputOf('unused')).toMatch(/^nobodyImportsThis\s.*src\/scim\/planted-unused\.ts/m);
    expect(outputOf('unused')).not.toMatch(/^imported\s/m);
  });

  it('reports a stale .env.example', () => {
    expect(outputOf('.env.example')).toContain('npm run env:write');
  });

  it('reports a second copy of ioredis', () => {
    expect(outputOf('one ioredis')).toContain('node_modules/bullmq/node_modules/ioredis');
  });

  it('reports a file that is too long', () => {
    expect(outputOf('readable files')).toContain('src/scim/planted-long.ts');
  });
});
