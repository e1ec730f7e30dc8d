/**
 * Owns the bill of materials of a release: CycloneDX 1.6 as JSON on standard output, the packages of production as the lockfile names them.
 * Read from the lockfile alone, so that the same commit gives the same list everywhere, whatever is installed and whichever npm is there.
 *
 *   npm run --silent sbom > maxio-scim.cdx.json
 */
import { readFileSync } from 'node:fs';

interface Locked {
  version: string;
  license?: string;
  integrity?: string;
  dev?: boolean;
  devOptional?: boolean;
  optional?: boolean;
  dependencies?: Record<string, string>;
}

const { name, version, license } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  name: string;
  version: string;
  license: string;
};
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, Locked> };
// Optional ones are the Node of a checkout; the image brings its own.
const shipped = Object.entries(packages).filter(
  ([path, { dev, devOptional, optional }]) => path !== '' && !(dev || devOptional || optional),
);
/** The same version in two places is one component. */
const once = <T>(rows: readonly T[], ref: (row: T) => string): T[] => [...new Map(rows.map((row) => [ref(row), row])).values()];

const nameOf = (path: string): string => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
const purl = (of: string, at: string): string => `pkg:npm/${of.replace('@', '%40')}@${at}`;
const refOf = (path: string): string => (path === '' ? purl(name, version) : purl(nameOf(path), packages[path]?.version ?? ''));

/** Finds what `wanted` means in the package at `path`, as Node does: the nearest one on the way up. */
function resolved(path: string, wanted: string): string | undefined {
  for (let at = path; ; at = at.slice(0, Math.max(at.lastIndexOf('/node_modules/'), 0))) {
    const candidate = `${at}${at === '' ? '' : '/'}node_modules/${wanted}`;
    if (candidate in packages) return candidate;
    if (at === '') return undefined;
  }
}

/** Hex, as CycloneDX wants it, of what the lockfile holds in base64. */
function hashesOf({ integrity }: Locked): { alg: string; content: string }[] {
  const [, digest] = /^sha512-(.+)$/.exec(integrity ?? '') ?? [];
  return digest === undefined ? [] : [{ alg: 'SHA-512', content: Buffer.from(digest, 'base64').toString('hex') }];
}

const dependencies = once(
  [['', packages['']] as const, ...shipped].map(([path, locked]) => ({
    ref: refOf(path),
    dependsOn: Object.keys(locked?.dependencies ?? {})
      .flatMap((wanted) => resolved(path, wanted) ?? [])
      .map(refOf)
      .toSorted(),
  })),
  ({ ref }) => ref,
);

const bom = {
  $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
  bomFormat: 'CycloneDX',
  specVersion: '1.6',
  version: 1,
  metadata: {
    component: {
      type: 'application',
      'bom-ref': refOf(''),
      name,
      version,
      licenses: [{ license: { id: license } }],
      purl: refOf(''),
    },
  },
  components: once(
    shipped.map(([path, locked]) => ({
      type: 'library',
      'bom-ref': refOf(path),
      name: nameOf(path),
      version: locked.version,
      ...(locked.license !== undefined && { licenses: [{ expression: locked.license }] }),
      purl: refOf(path),
      hashes: hashesOf(locked),
    })),
    ({ purl: ref }) => ref,
  ),
  dependencies,
};
console.log(JSON.stringify(bom, null, 2));
