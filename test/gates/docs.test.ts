/**
 * Guarantees that what is written can be done: commands, links, variables and files that README, ADRs, compose file, Dockerfile and demo name all exist.
 * Refuses to judge style. Each list must be non-empty, since a gate that reads nothing is green.
 */
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { otherVariables, serviceSchema, siteSchema } from '../../src/config-schema.ts';
import { settingNames } from '../../src/config-source.ts';

const pages = ['README.md', 'CHANGELOG.md', 'SECURITY.md', ...globSync('docs/**/*.md')];
const known = new Set<string>([...settingNames(serviceSchema), ...settingNames(siteSchema), ...otherVariables]);
const text = (file: string): string => readFileSync(file, 'utf8');

/** Lists what a pattern with one group finds. */
function found(file: string, pattern: RegExp): string[] {
  return [...text(file).matchAll(pattern)].map(([, hit]) => hit ?? '');
}

/** Names of our own families, and the few others we read. */
const variable = /\b((?:MAXIO|SCIM|OPS|REDIS|DEMO|SANDBOX)_[A-Z_]+[A-Z]|PUBLIC_URL|SITES_FILE|BACKLOG_LIMIT)\b/g;

describe.each(pages)('%s', (page) => {
  it('links only to files that exist', () => {
    for (const target of found(page, /\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
      if (/^https?:/.test(target)) continue;
      expect(existsSync(join(dirname(page), target)), `${page} links to ${target}`).toBe(true);
    }
  });

  it('names only npm scripts, npx commands and node programs that exist', () => {
    for (const script of found(page, /\bnpm run ([a-z:]+)/g)) expect(Object.keys(packageJson.scripts), page).toContain(script);
    for (const script of ['start', 'test'] as const) expect(packageJson.scripts[script]).toBeTruthy();
    for (const command of found(page, /\bnpx ([\w@/-]+)/g)) {
      expect(['node', ...Object.keys(packageJson.bin), ...Object.keys(packageJson.devDependencies)], page).toContain(command);
    }
    for (const program of found(page, /\bnode (?:--\S+ )*((?:src|bin|scripts|test)\/\S+?\.(?:ts|js))/g)) {
      expect(existsSync(program), `${page} runs ${program}`).toBe(true);
    }
  });

  it('names only files that exist', () => {
    for (const file of found(page, /[`( ]((?:src|test|docs|bin|scripts)\/[\w./-]+\w)/g)) {
      const named = normalize(file);
      expect(existsSync(named) || existsSync(`${named}.ts`), `${page} names ${file}`).toBe(true);
    }
  });

  it('names only variables that something reads', () => {
    const names = found(page, variable).filter((name) => name !== 'NAME_FILE');
    for (const name of names) expect([...known], `${page} names ${name}`).toContain(name);
  });
});

describe('README.md', () => {
  it('has commands, links and variables for the gates above to read', () => {
    expect(found('README.md', /\bnpm run ([a-z:]+)/g).length).toBeGreaterThan(2);
    expect(found('README.md', /\]\(([^)#]+)\)/g).length).toBeGreaterThan(10);
    expect(found('README.md', variable).length).toBeGreaterThan(15);
  });

  it('names every folder of src in its layout, and every ADR is reachable from a page', () => {
    for (const folder of globSync('src/*').filter((path) => statSync(path).isDirectory())) {
      if (folder === 'src/demo' || folder === 'src/cli') continue;
      expect(text('README.md'), folder).toContain(folder);
    }
    const numbers = globSync('docs/adr/*.md').map((path) => path.slice('docs/adr/'.length, 'docs/adr/'.length + 4));
    expect(numbers.length).toBeGreaterThan(5);
    expect(new Set(numbers).size).toBe(numbers.length);
  });
});

describe('container files', () => {
  const compose = text('docker-compose.yml');

  it('the compose file sets only variables that something reads', () => {
    const set = found('docker-compose.yml', /^ {2,6}([A-Z][A-Z_]+): /gm);
    expect(set.length).toBeGreaterThan(15);
    for (const name of set) expect([...known], `docker-compose.yml sets ${name}`).toContain(name);
  });

  it('the compose file gives each secret as a file, and no value of one outside the demo', () => {
    const [service = ''] = compose.split('  # A local Maxio');
    for (const secret of ['maxio_api_key', 'scim_token', 'ops_token', 'redis_url']) {
      expect(service).toContain(`${secret.toUpperCase()}_FILE: /run/secrets/${secret}`);
      expect(compose).toContain(`file: ./var/secrets/${secret}`);
    }
    expect(service).not.toMatch(/(API_KEY|TOKEN|REDIS_URL): (?!"")\S/);
    expect(text('.gitignore')).toContain('/var/');
  });

  it('the store of the compose file keeps what the service demands', () => {
    expect(compose).toMatch(/--appendonly, "yes", --appendfsync, always, --maxmemory-policy, noeviction/);
  });

  it('every file the image copies or runs exists, and is sent to the builder', () => {
    const allowed = text('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const copied = found('Dockerfile', /^COPY (?!--from)(.+) \S+$/gm).flatMap((line) => line.split(' '));
    expect(copied.length).toBeGreaterThan(5);
    for (const file of copied) {
      expect(existsSync(file), file).toBe(true);
      expect(allowed, file).toContain(file);
    }
    expect(found('Dockerfile', /CMD (.*src.*)$/gm)).toHaveLength(1);
    for (const program of [
      ...found('Dockerfile', /CMD \["node",(?: "--[^"]+",)* "(src[^"]+)"\]/g),
      ...found('docker-compose.yml', /\[node, (src[^\]]+)\]/g),
    ]) {
      expect(existsSync(program), program).toBe(true);
    }
  });

  it('the image does not run as root, leaves development dependencies out, and stops by SIGTERM', () => {
    const dockerfile = text('Dockerfile');
    expect(dockerfile).toMatch(/^USER \d{4,}:\d{4,}$/m);
    expect(dockerfile).toContain('npm ci --omit=dev --omit=optional --ignore-scripts');
    expect(dockerfile).toContain('STOPSIGNAL SIGTERM');
    expect(compose).toContain(`image: maxio-scim:${packageJson.version}`);
  });
});

describe('.ci/run', () => {
  it('runs our files by npm only: the Node on PATH may be too old to read them', () => {
    const scripts = found('.ci/run', /\bnpm run (?:-s )?([a-z:]+)/g);
    expect(scripts.length).toBeGreaterThan(1);
    for (const script of scripts) expect(Object.keys(packageJson.scripts)).toContain(script);
    expect(found('.ci/run', /^[^#\n]*?\bnode ((?:src|bin|scripts|test)\/\S+)/gm)).toEqual([]);
  });
});
