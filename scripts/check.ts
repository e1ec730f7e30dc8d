/**
 * Owns `npm run check`: every static gate, one line each, the full output of those that failed, exit code 1 if any did.
 * Refuses to configure them: each gate has its own file at the root. `test/gates` plants a violation for each and proves that
 * it bites, because a gate that reads nothing is green.
 */
import { spawn } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

interface Verdict {
  ok: boolean;
  output: string;
}

const root = fileURLToPath(new URL('..', import.meta.url));
const FILE_LINES_MAX = 300;

/** Runs a program of the package; its exit code is the verdict. */
function program(name: string, ...args: string[]): () => Promise<Verdict> {
  const command = name === 'node' ? process.execPath : `${root}node_modules/.bin/${name}`;
  return () =>
    new Promise((resolve) => {
      const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
      let output = '';
      child.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
      child.stderr.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
      child.once('error', (err) => resolve({ ok: false, output: `${command}: ${err.message}; run npm ci` }));
      child.once('close', (code) => resolve({ ok: code === 0, output }));
    });
}

/** Refuses a second ioredis: BullMQ and we would no longer speak of the same class. */
async function oneIoredis(): Promise<Verdict> {
  const lock = JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8')) as { packages: Record<string, { version?: string }> };
  const copies = Object.keys(lock.packages).filter((path) => path.endsWith('node_modules/ioredis'));
  const ok = copies.length === 1;
  return {
    ok,
    output: ok ? '' : `ioredis must be there exactly once, found ${copies.length}: ${copies.join(', ')}; see npm ls ioredis`,
  };
}

/** Refuses files of src that are too long to be read at one go, or that do not begin by saying what they own. */
async function readableFiles(): Promise<Verdict> {
  const findings: string[] = [];
  const files = globSync('src/**/*.ts', { cwd: root });
  for (const file of files) {
    const text = readFileSync(root + file, 'utf8');
    const lines = text.split('\n').length - 1;
    if (lines > FILE_LINES_MAX) findings.push(`${file}: ${lines} lines; at most ${FILE_LINES_MAX}, split it by subject`);
    if (!text.startsWith('/**')) findings.push(`${file}: begins without a head comment`);
  }
  if (files.length === 0) findings.push('no file found under src');
  return { ok: findings.length === 0, output: findings.join('\n') };
}

const gates: Record<string, () => Promise<Verdict>> = {
  types: program('tsc', '-p', '.', '--pretty', 'false'),
  'format, lint, layers, cycles': program(
    'biome',
    'check',
    '--error-on-warnings',
    '--diagnostic-level=warn',
    '--max-diagnostics=none',
    '.',
  ),
  promises: program('oxlint', '--type-aware', '--deny-warnings', '--format=unix', 'src', 'test', 'scripts'),
  unused: program('knip', '--no-progress'),
  '.env.example': program('node', 'scripts/env-example.ts'),
  'one ioredis': oneIoredis,
  'readable files': readableFiles,
};

const failed: string[] = [];
const queue = Object.entries(gates);

/** Takes gates from the queue until it is empty. */
async function work(): Promise<void> {
  for (let next = queue.shift(); next; next = queue.shift()) {
    const [name, run] = next;
    const startMs = performance.now();
    const { ok, output } = await run();
    console.log(`${ok ? 'ok    ' : 'FAILED'} ${name} (${Math.round(performance.now() - startMs)} ms)`);
    if (!ok) failed.push(`--- ${name} ---\n${output.trim()}`);
  }
}

await Promise.all([work(), work()]);
if (failed.length > 0) {
  console.error(`\n${failed.join('\n\n')}`);
  process.exitCode = 1;
}
