/**
 * Owns other releases of the service for upgrade tests: a copy of `src` in a folder of its own, with small changes that a real release could contain.
 * They run as real processes beside this one. Refuses to guess: a change that no longer finds its place fails, with its file.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SCHEMA_VERSION } from '../../src/directory/record.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** One change of the source: every occurrence of a text in one file. */
interface Patch {
  file: string;
  find: string;
  put: string;
}

export interface Release {
  /** What it calls itself in /health. */
  version: string;
  /** Folder in which `node src/main.ts` runs it. */
  root: string;
  /** The schema version it writes. */
  schema: number;
  remove(): void;
}

const schema = (version: number): Patch => ({
  file: 'src/directory/record.ts',
  find: `export const SCHEMA_VERSION = ${SCHEMA_VERSION};`,
  put: `export const SCHEMA_VERSION = ${version};`,
});

/** A field of the record, and one of what is remembered of Maxio, that this release has never heard of. */
const ADDITIONS: Patch[] = [
  {
    file: 'src/directory/commit.lua',
    find: "redis.call('HSET', key, 'gen', generation,",
    put: "redis.call('HSET', key, 'costCentre', 'centre-' .. generation, 'gen', generation,",
  },
  {
    file: 'src/provisioning/remember.ts',
    find: "return { customerId: customer.id, origin: 'created', confirmed: sent, subscriptions };",
    put: "return { customerId: customer.id, origin: 'created', confirmed: sent, subscriptions, currency: 'EUR' };",
  },
];

/** Another shape of open steps and of bells. Bells of this release are still understood: a release reads what the one before it wrote. */
const OTHER_SHAPES: Patch[] = [
  { file: 'src/provisioning/act.ts', find: '    sentAtMs: 0,\n', put: "    sentAtMs: 0,\n    sentBy: 'next',\n" },
  {
    file: 'src/provisioning/queue.ts',
    find: "'person',\n      { site: this.#site, userId },",
    put: "'person',\n      { site: this.#site, person: userId },",
  },
  { file: 'src/provisioning/worker.ts', find: 'job.data.userId', put: '(job.data.person ?? job.data.userId)' },
];

/** What a later release could be that only adds: older ones read what it writes, and keep what they do not know. */
export const addingRelease = (): Release => release('90.1.0', SCHEMA_VERSION, ADDITIONS);

/** What a later release could be that changes the shape of stored data. */
export const nextRelease = (): Release =>
  release('91.0.0', SCHEMA_VERSION + 1, [schema(SCHEMA_VERSION + 1), ...ADDITIONS, ...OTHER_SHAPES]);

/** What an earlier release could have been. */
export const previousRelease = (): Release => release('0.0.9', SCHEMA_VERSION - 1, [schema(SCHEMA_VERSION - 1)]);

/** A later release in which a default bills people whom this one does not. */
export const billingRelease = (): Release =>
  release('90.2.0', SCHEMA_VERSION, [
    {
      file: 'src/config-site-schema.ts',
      find: "      .optional(),\n    { ...site, example: 'pro' },",
      put: "      .default('pro'),\n    { ...site, example: 'pro' },",
    },
  ]);

function release(version: string, schemaVersion: number, patches: Patch[]): Release {
  const root = mkdtempSync(join(tmpdir(), 'maxio-scim-release-'));
  cpSync(join(ROOT, 'src'), join(root, 'src'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'), 'dir');
  const named = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as object;
  writeFileSync(join(root, 'package.json'), JSON.stringify({ ...named, version }));
  for (const { file, find, put } of patches) {
    const before = readFileSync(join(root, file), 'utf8');
    if (!before.includes(find)) throw new Error(`${file} no longer contains what release ${version} changes: ${find}`);
    writeFileSync(join(root, file), before.replaceAll(find, put));
  }
  return { version, root, schema: schemaVersion, remove: () => rmSync(root, { recursive: true, force: true }) };
}
