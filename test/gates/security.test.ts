/**
 * Guarantees that the files which say how the service is run say the safe thing for every container, and that docs/security.md claims nothing without a
 * command that exists and checks it. What the image does is played by test/faults/container.test.ts; refuses to judge style.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { MATRICES } from '../../scripts/matrix-lists.ts';

const text = (file: string): string => readFileSync(file, 'utf8');
const compose = text('docker-compose.yml');
const dockerfile = text('Dockerfile');
const page = text('docs/security.md');

/** The lines of each service, with those of the anchor it merges. */
function servicesOf(): Map<string, string> {
  const anchors = new Map<string, string>();
  for (const [, name = '', block = ''] of compose.matchAll(/^(?:x-)?\S.*?&(\w+)\n((?: {2}.*\n| *\n)*)/gm))
    anchors.set(name, block);
  const [, list = ''] = /^services:\n((?: .*\n|\n)*)/m.exec(compose) ?? [];
  const services = new Map<string, string>();
  for (const [, name = '', anchor, block = ''] of list.matchAll(/^ {2}([\w-]+):(?: &(\w+))?\n((?: {4}.*\n|\n| {2}#.*\n)*)/gm)) {
    if (anchor !== undefined) anchors.set(anchor, block);
    const merged = /<<: \*(\w+)/.exec(block)?.[1];
    services.set(name, block + (merged === undefined ? '' : (anchors.get(merged) ?? '')));
  }
  return services;
}

describe('S22 the image', () => {
  it('has a last stage of nothing, and no command that needs a shell', () => {
    expect(dockerfile.match(/^FROM .*$/gm)?.at(-1)).toBe('FROM scratch');
    const last = dockerfile.slice(dockerfile.indexOf('FROM scratch'));
    expect(last).not.toMatch(/^(RUN|ADD|SHELL|ENTRYPOINT) /m);
    expect(last).toMatch(/^USER 65532:65532$/m);
    for (const [, command = ''] of last.matchAll(/\bCMD (.*)$/gm)) expect(JSON.parse(command)).toContain('node');
    expect(last.match(/\bCMD \[/g)).toHaveLength(2);
  });

  it('can be built from a digest, and takes no secret while it is built', () => {
    expect(dockerfile.match(/^FROM (?!scratch)/gm)).toEqual(dockerfile.match(/^FROM (?=\$\{NODE_IMAGE\} AS )/gm));
    expect(dockerfile).not.toMatch(/^(ARG|ENV) .*(KEY|TOKEN|PASSWORD|SECRET)/m);
  });

  it('S23 opens no debugger', () => {
    expect(dockerfile).toMatch(/^CMD \["node", "--disable-proto=delete", "--disable-sigusr1", "src\/main.ts"\]$/m);
    for (const file of ['package.json', 'docker-compose.yml', ...globSync('bin/*')])
      expect(text(file), file).not.toMatch(/--inspect|NODE_OPTIONS/);
  });
});

describe('S22 the compose file', () => {
  const services = servicesOf();

  it('has the services that are looked at here', () => {
    expect([...services.keys()]).toEqual(['api', 'worker', 'valkey', 'demo-store', 'demo', 'sandbox']);
  });

  it.each([...services])('%s is read-only, without rights, and limited in memory, processes and logs', (_name, block) => {
    for (const line of [
      /^ +read_only: true$/m,
      /^ +cap_drop: \[ALL\]$/m,
      /^ +security_opt: \["no-new-privileges:true"\]$/m,
      /^ +pids_limit: \d+$/m,
      /^ +ulimits: \{core: 0\}$/m,
      /^ +logging: (&|\*)logging$/m,
    ]) {
      expect(block).toMatch(line);
    }
    const memory = /^ +mem_limit: (\S+)$/m.exec(block)?.[1];
    expect(memory).toBeDefined();
    expect(/^ +memswap_limit: (\S+)$/m.exec(block)?.[1], 'no swap').toBe(memory);
    expect(block).not.toMatch(/privileged|CMD-SHELL|cap_add|network_mode: host|pid: host|docker\.sock/);
  });

  it('publishes nothing beyond this machine', () => {
    for (const [, ports = ''] of compose.matchAll(/ports: (.*)$/gm)) expect(ports).toMatch(/^\["127\.0\.0\.1:/);
  });

  it('S20 gives Redis users from a file, memory to refuse with, and a network that leads nowhere', () => {
    const valkey = services.get('valkey') ?? '';
    expect(valkey).toMatch(/--aclfile, \/run\/secrets\/redis_acl\b/);
    expect(valkey).toMatch(/^ {4}networks: \[store\]$/m);
    expect(compose).toMatch(/^ {2}store:\n {4}internal: true$/m);
    const [, megabytes] = /mem_limit: (\d+)m/.exec(valkey) ?? [];
    const [, gigabytes] = /--maxmemory, (\d+)gb/.exec(valkey) ?? [];
    expect(Number(megabytes)).toBeGreaterThanOrEqual(2 * 1_024 * Number(gigabytes));
    const users = text('security/redis.acl').trim().split('\n');
    expect(users.map((line) => line.split(' ')[1])).toEqual(['default', 'maxio-scim']);
    expect(users[0]).toBe('user default on nopass resetkeys resetchannels -@all +ping');
    expect(users[1]).toMatch(/^user maxio-scim on >PASSWORD resetkeys ~scim:\* resetchannels &scim:\* -@all /);
    expect(compose).toContain('sed "s/PASSWORD/$password/" security/redis.acl > var/secrets/redis_acl');
  });
});

describe('S25 the threat model', () => {
  const rows = [...page.matchAll(/^\| (.+) \| `((?:npx vitest run|npm run) [^`]+)` \|$/gm)].map(
    ([, claim = '', command = '']) => ({ claim, command }),
  );

  it('has a chapter for each abuse case, and a checked claim in each', () => {
    const cases = [
      'The administrator of an identity provider is malicious, or their account is taken over',
      'A SCIM token or client secret leaks',
      'The token of an operator leaks',
      'The key of Maxio leaks',
      'Maxio, or somebody between, answers maliciously',
      'An operator is curious, or acts alone',
      'A package we depend on is compromised',
    ];
    for (const title of cases) {
      const chapter = page.split(`### ${title}\n`)[1]?.split('\n##')[0] ?? '';
      expect(chapter, title).toContain('| Claim | Checked by |');
      const claims = chapter.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| Claim'));
      expect(claims.length, title).toBeGreaterThan(3);
      for (const line of claims)
        expect(
          rows.map(({ claim }) => `| ${claim} |`).some((start) => line.startsWith(start)),
          line,
        ).toBe(true);
    }
  });

  it.each(rows)('$claim: $command', ({ command }) => {
    const [, script] = /^npm run (?:--silent )?([\w:]+)/.exec(command) ?? [];
    if (script !== undefined) {
      expect(Object.keys(packageJson.scripts)).toContain(script);
      return;
    }
    const [, files = '', quoted, bare] = /^npx vitest run (\S+(?: test\/\S+)*)(?: -t (?:'([^']+)'|(\S+)))?$/.exec(command) ?? [];
    const tests = files.split(' ').flatMap((file) => globSync(file.endsWith('.ts') ? file : `test/**/*${file}*.test.ts`));
    expect(tests.length).toBeGreaterThan(0);
    for (const file of tests) expect(existsSync(file), file).toBe(true);
    const pattern = (quoted ?? bare)?.replaceAll('\\|', '|');
    if (pattern !== undefined) {
      const named = tests.some((file) => new RegExp(String.raw`['"\`].*\b(?:${pattern})\b`).test(text(file)));
      expect(named, `a test with ${pattern} in its name`).toBe(true);
    }
  });

  it('names no id that the matrix does not have, and the matrix lists each id once', () => {
    const ids = MATRICES.flatMap(({ groups }) => Object.values(groups).flatMap((group) => Object.keys(group)));
    expect(new Set(ids).size).toBe(ids.length);
    const [prose = ''] = page.split('<!-- matrix');
    for (const [id] of prose.matchAll(/\b[FBS]\d{1,2}\b/g)) expect(ids).toContain(id);
    for (let n = 1; n <= 80; n++) expect(ids).toContain(`B${String(n).padStart(2, '0')}`);
    for (let n = 1; n <= 26; n++) expect(ids).toContain(`S${n}`);
  });

  it('leaves no id of the matrix without a test or a reason', () => {
    const [, matrix = ''] = page.split('<!-- matrix');
    expect(matrix).toContain('**S26**');
    expect(matrix).not.toContain('**missing**');
  });
});
