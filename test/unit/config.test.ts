/**
 * Owns the promises of the configuration: all problems at once, nothing guessed, nothing secret shown.
 * Refuses to touch the real environment; every case brings its own.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError, readCliOptions, readConfig, readDemoOptions, readSandboxPort, secretsOf } from '../../src/config.ts';

const scimToken = '5c1m-0123456789abcdef0123456789abcdef';
const opsToken = '0p5-fedcba9876543210fedcba9876543210';
const apiKey = 'K3yOfTheSiteThatNobodyMaySee';
const minimal = {
  REDIS_URL: 'redis://:r3d15pass@localhost:6379',
  MAXIO_SUBDOMAIN: 'acme',
  MAXIO_API_KEY: apiKey,
  SCIM_TOKEN: scimToken,
  OPS_TOKEN: opsToken,
};

/** Reads and answers with the problems. */
function problemsOf(env: Record<string, string | undefined>): string[] {
  try {
    readConfig(env);
  } catch (err) {
    if (err instanceof ConfigError) return err.problems;
    throw err;
  }
  return [];
}

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'maxio-scim-config-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Writes a file into the folder of this test and answers with its path. */
function file(name: string, text: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('a minimal environment', () => {
  it('gets the documented defaults', () => {
    const config = readConfig(minimal);
    expect(config).toMatchObject({
      role: 'all',
      host: '0.0.0.0',
      port: 8080,
      publicUrl: 'http://localhost:8080',
      redisDurability: 'required',
      logLevel: 'info',
      backlogLimit: 1_000_000,
    });
    expect(config.version).toMatch(/^\d+\.\d+\.\d+/);
    expect(config.failpoint).toBeUndefined();
    expect(config.sites).toHaveLength(1);
    expect(config.sites[0]).toMatchObject({
      key: 'us.acme',
      region: 'us',
      callsPerHour: 10_000,
      maxConcurrency: 4,
      budgetWindowSeconds: 3_600,
      unknownOutcomeSeconds: 130,
      deprovision: 'cancel',
      paymentCollectionMethod: 'remittance',
      idp: 'generic',
    });
  });

  it('keeps every secret wrapped when it is printed', () => {
    const config = readConfig(minimal);
    const printed = `${inspect(config, { depth: 9 })}${JSON.stringify(config)}`;
    for (const secret of [apiKey, scimToken, opsToken, 'r3d15pass']) expect(printed).not.toContain(secret);
    expect(secretsOf(config).map((secret) => secret.reveal())).toEqual([minimal.REDIS_URL, opsToken, apiKey, scimToken]);
  });

  it('takes an empty text as not set', () => {
    const config = readConfig({ ...minimal, PORT: '', MAXIO_REGION: '', MAXIO_PRODUCT_HANDLE: '', MAXIO_API_KEY_FILE: '' });
    expect(config.port).toBe(8080);
    expect(config.sites[0]?.productHandle).toBeUndefined();
  });

  it('follows PORT in the public address, and drops a trailing slash of PUBLIC_URL', () => {
    expect(readConfig({ ...minimal, PORT: '9000' }).publicUrl).toBe('http://localhost:9000');
    expect(readConfig({ ...minimal, PUBLIC_URL: 'https://scim.example.com/' }).publicUrl).toBe('https://scim.example.com');
  });
});

describe('a wrong environment', () => {
  it('F78: tells all problems at once', () => {
    const problems = problemsOf({ PORT: 'x', MAXIO_SUBDOMAIN: 'a.b', SCIM_IDP: 'onelogin', SCIM_TOKEN: 'short' });
    const names = ['PORT', 'MAXIO_SUBDOMAIN', 'SCIM_IDP', 'SCIM_TOKEN', 'MAXIO_API_KEY', 'REDIS_URL', 'OPS_TOKEN'];
    for (const name of names) expect(problems.filter((problem) => problem.startsWith(name))).toHaveLength(1);
    expect(problems).toHaveLength(names.length);
  });

  it('F78: never shows the value of a secret', () => {
    const wrong = {
      REDIS_URL: 'http://user:p4ssw0rd@host',
      MAXIO_API_KEY: 'two words',
      SCIM_TOKEN: 'tooshort1',
      OPS_TOKEN: 'tooshort2',
    };
    const told = problemsOf({ ...minimal, ...wrong }).join('\n');
    for (const secret of Object.values(wrong)) expect(told).not.toContain(secret);
    expect(told).not.toContain('p4ssw0rd');
    expect(told.split('\n')).toHaveLength(4);
  });

  it.each(['1e3', '0x10', '+80', ' 80', '80 ', '8_0', '08', '80.0', '-1', '65536', 'Infinity', 'NaN'])(
    'refuses %j as a port',
    (PORT) => {
      expect(problemsOf({ ...minimal, PORT })).toEqual([expect.stringMatching(/^PORT must be a whole number/)]);
    },
  );

  it.each(['Acme', '-acme', 'acme-', 'acme.chargify.com', 'acme/../x', 'ac me', 'a@b', 'a'.repeat(64)])(
    'refuses %j as a subdomain',
    (MAXIO_SUBDOMAIN) => {
      expect(problemsOf({ ...minimal, MAXIO_SUBDOMAIN })).toEqual([expect.stringMatching(/^MAXIO_SUBDOMAIN must be/)]);
    },
  );

  it.each([
    'https://acme.chargify.com',
    'http://10.0.0.1:80',
    'http://127.0.0.1.example.com',
    'http://localhost@example.com',
    'http://user:pass@localhost:1',
    'http://localhost:1/path',
    'file:///etc/passwd',
    'localhost:8090',
  ])('refuses %j as a base URL, so that the key goes to Maxio or to this machine only', (MAXIO_BASE_URL) => {
    expect(problemsOf({ ...minimal, MAXIO_BASE_URL })).toEqual([expect.stringMatching(/^MAXIO_BASE_URL must be/)]);
  });

  it.each(['http://127.0.0.1:8090', 'http://localhost:8090/', 'http://[::1]:8090'])(
    'takes %j as a base URL',
    (MAXIO_BASE_URL) => {
      expect(readConfig({ ...minimal, MAXIO_BASE_URL }).sites[0]?.baseUrl).toBe(MAXIO_BASE_URL.replace(/\/$/, ''));
    },
  );

  it.each(['MAXIO_CALLS_PER_HOUR=10001', 'MAXIO_MAX_CONCURRENCY=5', 'MAXIO_MAX_CONCURRENCY=0', 'MAXIO_CALLS_PER_HOUR=0'])(
    'refuses %s, beyond what Maxio allows or nothing at all',
    (setting) => {
      const [name = '', value] = setting.split('=');
      expect(problemsOf({ ...minimal, [name]: value })).toEqual([expect.stringMatching(new RegExp(`^${name} must be`))]);
    },
  );

  it.each([
    ['MAXIO_SUBDOMIAN', 'MAXIO_SUBDOMAIN'],
    ['SCIM_TOKEN_FIEL', 'SCIM_TOKEN_FILE'],
    ['OPS_TOKE', 'OPS_TOKEN'],
    ['MAXIO_CALLS_PER_HOURS', 'MAXIO_CALLS_PER_HOUR'],
  ])('takes %s for a typing error of %s', (name, meant) => {
    expect(problemsOf({ ...minimal, [name]: 'x' })).toEqual([`${name} is not a known setting; did you mean ${meant}?`]);
  });

  it('leaves alone what Kubernetes adds for a Service called maxio-scim, and what is not ours', () => {
    const links = {
      MAXIO_SCIM_SERVICE_HOST: '10.0.0.1',
      MAXIO_SCIM_SERVICE_PORT: '80',
      MAXIO_SCIM_SERVICE_PORT_HTTP: '80',
      MAXIO_SCIM_PORT: 'tcp://10.0.0.1:80',
      MAXIO_SCIM_PORT_80_TCP_ADDR: '10.0.0.1',
      PATH: '/bin',
      REDIS_PORT: 'tcp://10.0.0.2:6379',
    };
    expect(problemsOf({ ...minimal, ...links })).toEqual([]);
  });

  it.each(['aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', '0101010101010101010101', 'changeme-changeme-1234', 'tooshort-123456'])(
    'refuses the weak token %j and says how to make a strong one',
    (SCIM_TOKEN) => {
      expect(problemsOf({ ...minimal, SCIM_TOKEN })).toEqual([expect.stringMatching(/^SCIM_TOKEN .*openssl rand -hex 32/)]);
    },
  );

  it('S4: refuses one token for both doors', () => {
    expect(problemsOf({ ...minimal, OPS_TOKEN: scimToken })).toEqual([
      expect.stringMatching(/^OPS_TOKEN and the SCIM_TOKEN of us\.acme/),
    ]);
  });
});

describe('flags', () => {
  it.each([
    ['1', 'relaxed'],
    ['true', 'relaxed'],
    ['0', 'required'],
    ['False', 'required'],
    ['no', 'required'],
  ])('REDIS_DURABILITY_RELAXED=%s means %s', (value, mode) => {
    expect(readConfig({ ...minimal, REDIS_DURABILITY_RELAXED: value }).redisDurability).toBe(mode);
  });

  it('refuses two durability modes at once', () => {
    expect(readConfig({ ...minimal, REDIS_DURABILITY_ASSERTED: '1' }).redisDurability).toBe('asserted');
    expect(problemsOf({ ...minimal, REDIS_DURABILITY_ASSERTED: '1', REDIS_DURABILITY_RELAXED: '1' })).toHaveLength(1);
  });
});

describe('settings for tests', () => {
  it.each(['MAXIO_BUDGET_WINDOW_SECONDS=60', 'MAXIO_UNKNOWN_OUTCOME_SECONDS=5', 'FAILPOINT=after-commit:kill'])(
    'takes %s for a sandbox and refuses it for the real Maxio',
    (setting) => {
      const [name = '', value] = setting.split('=');
      const sandbox = { ...minimal, MAXIO_BASE_URL: 'http://127.0.0.1:8090', [name]: value };
      expect(problemsOf(sandbox)).toEqual([]);
      expect(problemsOf({ ...minimal, [name]: value })).toEqual([expect.stringContaining(name)]);
    },
  );

  it.each(['after-commit', 'after-commit:explode', ':kill', 'A B:kill'])('refuses the failpoint %j', (FAILPOINT) => {
    expect(problemsOf({ ...minimal, MAXIO_BASE_URL: 'http://127.0.0.1:8090', FAILPOINT })).toHaveLength(1);
  });
});

describe('NAME_FILE', () => {
  it.each(['MAXIO_API_KEY', 'SCIM_TOKEN', 'OPS_TOKEN', 'REDIS_URL'] as const)(
    'gives %s without the trailing line break',
    (name) => {
      const path = file(name, `${minimal[name]}\n`);
      const config = readConfig({ ...minimal, [name]: undefined, [`${name}_FILE`]: path });
      expect(secretsOf(config).map((secret) => secret.reveal())).toContain(minimal[name]);
    },
  );

  it('refuses both forms at once, an empty file, and a file that is not there, one line each', () => {
    const path = file('both', scimToken);
    expect(problemsOf({ ...minimal, SCIM_TOKEN_FILE: path })).toEqual([
      'SCIM_TOKEN and SCIM_TOKEN_FILE are both set; keep one of them',
    ]);
    const empty = file('empty', '\n');
    expect(problemsOf({ ...minimal, SCIM_TOKEN: undefined, SCIM_TOKEN_FILE: empty })).toEqual([
      expect.stringContaining('empty file'),
    ]);
    const gone = problemsOf({ ...minimal, SCIM_TOKEN: undefined, SCIM_TOKEN_FILE: join(folder, 'gone') });
    expect(gone).toEqual([expect.stringContaining('cannot be read (ENOENT)')]);
  });
});

describe('SITES_FILE', () => {
  const service = { REDIS_URL: minimal.REDIS_URL, OPS_TOKEN: opsToken };
  const one = { MAXIO_SUBDOMAIN: 'acme', MAXIO_API_KEY: apiKey, SCIM_TOKEN: scimToken, SCIM_IDP: 'okta' };
  const two = {
    MAXIO_SUBDOMAIN: 'acme',
    MAXIO_REGION: 'eu',
    MAXIO_API_KEY: apiKey,
    SCIM_TOKEN: `${scimToken}-eu`,
    MAXIO_CALLS_PER_HOUR: 5000,
  };
  const withSites = (content: unknown) => ({ ...service, SITES_FILE: file('sites.json', JSON.stringify(content)) });

  it.each([[[one, two]], [{ sites: [one, two] }]])('gives many sites with the same names as keys (%#)', (content) => {
    const { sites } = readConfig(withSites(content));
    expect(sites.map((site) => site.key)).toEqual(['us.acme', 'eu.acme']);
    expect(sites[1]?.callsPerHour).toBe(5000);
  });

  it('reads secrets from files, relative to itself', () => {
    file('token-of-acme', `${scimToken}\n`);
    const { sites } = readConfig(withSites([{ ...one, SCIM_TOKEN: undefined, SCIM_TOKEN_FILE: 'token-of-acme' }]));
    expect(sites[0]?.scimToken?.reveal()).toBe(scimToken);
  });

  it('refuses sites that could not be told apart', () => {
    expect(problemsOf(withSites([one, { ...one, SCIM_TOKEN: `${scimToken}2` }]))).toEqual([
      expect.stringContaining('us.acme is configured twice'),
    ]);
    expect(problemsOf(withSites([one, { ...two, SCIM_TOKEN: scimToken }]))).toEqual([
      expect.stringContaining('the same SCIM_TOKEN'),
    ]);
  });

  it('names the entry of each problem, and refuses every unknown key', () => {
    const problems = problemsOf(withSites([one, { ...two, MAXIO_REGION: 'us-east', PORT: 1 }]));
    expect(problems).toHaveLength(2);
    for (const problem of problems) expect(problem).toMatch(/^SITES_FILE entry 2: (PORT|MAXIO_REGION)/);
  });

  it('refuses single-site variables beside it', () => {
    expect(problemsOf({ ...withSites([one]), MAXIO_SUBDOMAIN: 'other' })).toEqual([
      expect.stringContaining('MAXIO_SUBDOMAIN must not be'),
    ]);
  });

  it.each(['{', '[]', '{}', 'null', '[1]', '"x"'])('refuses the content %s without quoting it', (content) => {
    const SITES_FILE = file('wrong.json', content === '{' ? `{"MAXIO_API_KEY": "${apiKey}" oops` : content);
    const problems = problemsOf({ ...service, SITES_FILE });
    expect(problems).toHaveLength(1);
    expect(problems[0]).not.toContain(apiKey);
  });
});

describe('the operators of OPS_TOKENS_FILE', () => {
  const digest = (token: string): string => createHash('sha256').update(token).digest('hex');
  const ann = { name: 'ann', role: 'approver', sha256: digest('token-of-ann') };
  const operators = (...entries: object[]): { OPS_TOKENS_FILE: string } => ({
    OPS_TOKENS_FILE: file('operators.json', JSON.stringify(entries)),
  });

  it('are read with their names and roles', () => {
    expect(readConfig({ ...minimal, ...operators(ann) }).operators).toEqual([ann]);
  });

  it.each([
    ['the token of the identity provider', { sha256: digest(scimToken) }, /token of bob is also the SCIM_TOKEN of us\.acme/],
    ['the token that has no name', { sha256: digest(opsToken) }, /token of bob is also OPS_TOKEN;/],
    ['the token of somebody else', { sha256: ann.sha256 }, /bob has the same token as somebody else/],
    ['a name of our own', { name: 'ops-token' }, /the name ops-token is taken/],
    ['the word for a mode that a loss has set', { name: 'Lost' }, /the name Lost is taken/],
    ['the name of somebody else', { name: 'ann' }, /the name ann is taken/],
    ['a role nobody has', { role: 'owner' }, /at 1\.role: must be viewer, operator or approver/],
  ])('are refused with %s', (_what, change, problem) => {
    const bob = { name: 'bob', role: 'viewer', sha256: digest('token-of-bob'), ...change };
    const problems = problemsOf({ ...minimal, ...operators(ann, bob) });
    expect(problems).toEqual([expect.stringMatching(problem)]);
    expect(problems.join()).not.toContain(bob.sha256);
  });
});

describe('MAXIO_PROTECTED_FILE', () => {
  const protectedBy = (text: string | Buffer): string[] | undefined =>
    readConfig({ ...minimal, MAXIO_PROTECTED_FILE: file('protected.txt', text) }).sites[0]?.protectedPeople;

  it.each([
    ['line feeds', 'a@example.com\nb\n'],
    ['both', '\uFEFFa@example.com\r\n\r\n# nobody\r\n b # a comment\r\n'],
    ['carriage returns alone', 'a@example.com\rb\r'],
  ])('is read with %s', (_what, text) => {
    expect(protectedBy(text)).toEqual(['a@example.com', 'b']);
  });

  it.each([
    ['UTF-16', Buffer.from('\uFEFFcanary@example.com\n', 'utf16le')],
    ['UTF-16 without a mark', Buffer.from('canary@example.com\n', 'utf16le')],
    ['Latin-1', Buffer.from('canary\u00FC@example.com\n', 'latin1')],
    ['quotation marks', 'x\n"canary@example.com"\n'],
    ['tabs between columns', 'canary@example.com\tthe founder\n'],
    ['a character nobody sees', '\u200bcanary@example.com\n'],
  ])('is refused with %s: nobody on it would be protected', (_what, text) => {
    const MAXIO_PROTECTED_FILE = file('protected.txt', text);
    const problems = problemsOf({ ...minimal, MAXIO_PROTECTED_FILE });
    expect(problems).toEqual([expect.stringMatching(/^MAXIO_PROTECTED_FILE is not .*(UTF-8|one userName)/)]);
    expect(problems[0]).not.toContain('canary');
  });
});

describe('a line of MAXIO_PROTECTED_FILE that is several', () => {
  it.each([
    ['names in one line', '# people\nann@example.com\ncanary@example.com, bob@example.com\n', 3],
    ['the row of a table', 'canary@example.com;the founder\n', 1],
    ['a name with a comma', 'x\nLee, canary\n', 2],
  ])('is refused with its number: %s', (_what, text, line) => {
    const problems = problemsOf({ ...minimal, MAXIO_PROTECTED_FILE: file('protected.txt', text) });
    expect(problems).toEqual([expect.stringContaining(`MAXIO_PROTECTED_FILE has a comma or semicolon at line ${line},`)]);
    expect(problems[0]).not.toContain('canary');
  });

  it('is one where commas belong to it: a distinguished name, or a comment', () => {
    const text = 'CN=Ann Lee,OU=People,DC=example,DC=com # founder, and owner\nann@example.com\n';
    const { sites } = readConfig({ ...minimal, MAXIO_PROTECTED_FILE: file('protected.txt', text) });
    expect(sites[0]?.protectedPeople).toEqual(['CN=Ann Lee,OU=People,DC=example,DC=com', 'ann@example.com']);
  });
});

describe('the small programs', () => {
  it('read only what they need', () => {
    expect(readSandboxPort({})).toBe(8090);
    expect(readSandboxPort({ SANDBOX_PORT: '0' })).toBe(0);
    expect(() => readSandboxPort({ SANDBOX_PORT: 'x' })).toThrow(ConfigError);
    expect(readDemoOptions({})).toEqual({ port: 8080, sandboxPort: 8090, empty: false, redisUrl: undefined });
    expect(readDemoOptions({ PORT: '1', DEMO_EMPTY: '1', REDIS_URL: 'redis://x' })).toMatchObject({ port: 1, empty: true });
    expect(readCliOptions({ OPS_TOKEN: opsToken })).toMatchObject({ opsUrl: 'http://localhost:8080' });
    expect(() => readCliOptions({})).toThrow(/OPS_TOKEN or OPS_TOKEN_FILE is not set/);
  });
});
