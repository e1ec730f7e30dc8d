/**
 * Guarantees that every runbook works as it is written. What its last section does to bring the trouble about is done first; then every `sh` block of the page
 * runs in its order, with what the rehearsal plays in between, and prints what the page shows. Then the state that the page promises is asked for.
 * Refuses a page with a scene that is never played, or without a claim.
 */
import { globSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { TOPICS } from '../../src/notify/topics.ts';
import { anchorOf, type Block, patternOf, type Runbook, readRunbook } from '../support/page.ts';
import { Rehearsal } from '../support/rehearsal.ts';

interface Claim {
  /** Titles of notices that the page names and the service has shown. */
  notices: RegExp[];
  /** What is true when the page has been worked through. */
  end: (stage: Rehearsal) => Promise<void>;
}

interface Status {
  version: string;
  sites: { mode: string; pending: number; parked: number; notices: { title: string }[] }[];
}

/** Each look may be a command, which is not free. */
const WAIT = { timeout: 120_000, interval: 1_000 };
const DEMO = /^(?:DEMO_EMPTY=1 )?npm run demo(?: -- --existing \d+)?$/;
/** Commands that only look: they may be repeated until they show what the page shows, as the index of the pages says. */
const LOOK =
  /^(?:npx maxio-scim (?:status|person|parked|held$|recovery|mode$|plan|doctor|survey|drift --full|retry --all --preview|(?:token|client) list|audit (?:verify|report|export))|curl -s|grep|tail|redis info|scim GET)/;

const INDEX = readFileSync('docs/runbooks/README.md', 'utf8');
const pages: [name: string, page: Runbook][] = globSync('docs/runbooks/*.md')
  .map((file) => basename(file))
  .filter((name) => name !== 'README.md')
  .sort()
  .map((name) => [name, readRunbook(readFileSync(`docs/runbooks/${name}`, 'utf8'))]);

/** States of the subscriptions of somebody called so, over all customers with their address. */
async function subscriptionsOf(stage: Rehearsal, name: string): Promise<string[]> {
  const { subscriptions } = await stage.maxio();
  return subscriptions.filter(({ customer }) => customer.email.toLowerCase() === `${name}@example.com`).map(({ state }) => state);
}

async function expectBilled(stage: Rehearsal, billed: string[], left: string[] = []): Promise<void> {
  for (const name of billed) expect(await subscriptionsOf(stage, name), name).toEqual(['active']);
  for (const name of left) expect(await subscriptionsOf(stage, name), name).toEqual(['canceled']);
  const { customers } = await stage.maxio();
  const references = customers.map(({ reference }) => reference).filter((reference) => reference !== null);
  expect(new Set(references).size, 'no reference is there twice').toBe(references.length);
}

async function expectRest(stage: Rehearsal, parked = 0): Promise<void> {
  await vi.waitFor(async () => expect((await stage.ops<Status>('/status'))?.sites).toMatchObject([{ pending: 0, parked }]), WAIT);
}

const claims: Record<string, Claim> = {
  'parked.md': {
    notices: [/^2 people parked$/],
    end: async (stage) => {
      await expectRest(stage);
      await expectBilled(stage, ['ann', 'emil', 'nora']);
    },
  },
  'key-refused.md': {
    notices: [/^Maxio refuses the API key$/],
    end: async (stage) => {
      await expectRest(stage);
      await expectBilled(stage, ['ann', 'dora'], ['carl']);
      expect((await stage.ledger()).filter(({ status }) => status === 401).length).toBeGreaterThan(0);
    },
  },
  'maxio-outage.md': {
    notices: [/^Maxio does not answer$/],
    end: async (stage) => {
      await expectRest(stage);
      await expectBilled(stage, ['ann', 'carl'], ['ben']);
    },
  },
  'budget-exhausted.md': {
    notices: [/^The call budget is (nearly )?spent$/],
    end: async (stage) => {
      await expectRest(stage);
      await expectBilled(
        stage,
        Array.from({ length: 100 }, (_, i) => `p${i + 1}`),
      );
    },
  },
  'redis-full.md': {
    notices: [/^Redis is \d+ % full$/],
    end: async (stage) => {
      await expectRest(stage);
      const told = stage.read('var/rehearsal/joined.txt').trim().split('\n');
      const accepted = told.flatMap((line, i) => (line === 'accepted' ? [`p${i + 1}`] : []));
      expect(accepted.length).toBeGreaterThan(0);
      expect(accepted.length, 'the disk was full in between').toBeLessThan(told.length);
      await expectBilled(stage, ['ann', ...accepted]);
    },
  },
  'redis-lost.md': {
    notices: [/^The data of the site was lost$/],
    end: async (stage) => {
      await expectRest(stage);
      await expectBilled(stage, ['ann', 'ben', 'carl', 'emil', 'fay'], ['dora']);
      expect(
        (await stage.ledger()).filter(({ method }) => method === 'POST'),
        'nobody was created again',
      ).toHaveLength(6);
    },
  },
  'wrong-cancel.md': {
    notices: [],
    end: async (stage) => {
      await expectRest(stage);
      await expectBilled(stage, ['ann', 'ben', 'carl', 'dora', 'emil', 'fay'], ['gus']);
      const calls = await stage.ledger();
      expect(calls.filter(({ method }) => method === 'POST')).toHaveLength(7);
      expect(calls.filter(({ path }) => path.includes('/reactivate'))).toHaveLength(6);
    },
  },
  'duplicate-customers.md': {
    notices: [/^1 difference between the directory and Maxio$/],
    end: async (stage) => {
      await expectRest(stage);
      await expectBilled(stage, ['hal', 'ida'], ['hal.closed']);
    },
  },
  'roll-back.md': {
    notices: [],
    end: async (stage) => {
      await expectRest(stage);
      await expectBilled(stage, ['ann', 'carl', 'dora'], ['ben']);
    },
  },
  'token-leaked.md': {
    notices: [/^A right token came from a network that is not allowed$/],
    end: async (stage) => {
      await expectRest(stage);
      await expectBilled(stage, ['ann', 'ben'], ['mallory']);
      const [leaked, now] = [stage.read('var/rehearsal/leaked-token').trim(), stage.read('var/rehearsal/idp-token').trim()];
      expect([await stage.enters(leaked), await stage.enters(now)]).toEqual([401, 200]);
      const { tokens } = (await stage.ops<{ tokens: { state: string; lastUsedAt: string | null }[] }>('/tokens')) ?? {};
      expect(tokens).toMatchObject([{ state: 'live', lastUsedAt: expect.any(String) }, { state: 'revoked' }]);
      const { clients } = (await stage.ops<{ clients: { credentials: { state: string }[] }[] }>('/clients')) ?? {};
      expect(clients?.map(({ credentials }) => credentials.map(({ state }) => state))).toEqual([['live', 'revoked']]);
    },
  },
  'existing-customers.md': {
    notices: [/^The site waits to be released$/],
    end: async (stage) => {
      expect(await stage.ops<Status>('/status')).toMatchObject({ sites: [{ mode: 'observe' }] });
      const { customers } = await stage.maxio();
      expect(customers, 'only the sixteen whom Maxio did not know').toHaveLength(216);
    },
  },
};

async function play(stage: Rehearsal, { commands, shown }: Block): Promise<void> {
  if (DEMO.test(commands.trim())) return await stage.startDemo(commands.trim());
  if (shown.length === 0) {
    const { code, output } = await stage.run(commands, true);
    expect(code, `${commands}\n${output}`).toBe(0);
    return;
  }
  const outputs = new Map<string, string>();
  for (const line of commands.trim().split('\n')) {
    const { code, output } = await stage.run(line, true);
    if (!LOOK.test(line)) expect(code, `${line}\n${output}`).toBe(0);
    outputs.set(line, output);
  }
  await vi.waitFor(async () => {
    const seen = [...outputs.values()].join('\n');
    const missing = shown.filter((line) => !patternOf(line).test(seen));
    if (missing.length === 0) return;
    for (const line of outputs.keys()) if (LOOK.test(line)) outputs.set(line, (await stage.run(line, false)).output);
    throw new Error(`${commands}does not print\n${missing.join('\n')}\nbut\n${seen}`);
  }, WAIT);
}

/** Works through a page. @returns the titles of all notices that were there at any time */
async function workThrough(stage: Rehearsal, page: Runbook): Promise<Set<string>> {
  const titles = new Set<string>();
  const blocks = [
    ...page.before,
    ...page.flow.flatMap((item) => (item.kind === 'block' ? [item] : (page.scenes[item.anchor] ?? []))),
  ];
  for (const block of blocks) {
    await play(stage, block);
    const status = await stage.ops<Status>('/status');
    for (const { title } of status?.sites.flatMap(({ notices }) => notices) ?? []) titles.add(title);
  }
  return titles;
}

test('the index names every page, and every page has an id, a claim, and scenes that are played once each', () => {
  expect(pages.map(([name]) => name)).toEqual(Object.keys(claims).sort());
  for (const [name, { title, flow, scenes }] of pages) {
    expect(title).toMatch(/^R\d+ /);
    expect(INDEX).toContain(`](${name})`);
    expect(flow.filter((item) => item.kind === 'block').length, name).toBeGreaterThan(2);
    expect(flow.flatMap((item) => (item.kind === 'cue' ? [item.anchor] : [])).sort(), name).toEqual(Object.keys(scenes).sort());
  }
});

test('what a page shows hangs on a command, but for what can only be done elsewhere', () => {
  const shows = pages.map(([name, { text, flow }]) => [
    name,
    (text.match(/^```text$/gm) ?? []).length - flow.filter((item) => item.kind === 'block' && item.shown.length > 0).length,
  ]);
  expect(shows.filter(([, loose]) => loose !== 0)).toEqual([['roll-back.md', 1]]);
});

test('every notice leads to a page that is there', () => {
  const named = Object.values(TOPICS).map(({ runbook }) => runbook);
  expect(named.length).toBeGreaterThan(10);
  for (const page of named) {
    const [file = '', anchor] = page.split('#');
    const text = readFileSync(file, 'utf8');
    if (anchor !== undefined)
      expect(
        [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading)),
        page,
      ).toContain(anchor);
  }
});

describe.concurrent('as written', () => {
  test.each(pages)('%s', { timeout: 400_000 }, async (name, page) => {
    const claim = claims[name];
    if (claim === undefined) throw new Error(`nothing is claimed about ${name}`);
    const stage = await Rehearsal.open();
    try {
      const titles = [...(await workThrough(stage, page))];
      for (const notice of claim.notices)
        expect(
          titles.some((title) => notice.test(title)),
          `${notice} in ${titles}`,
        ).toBe(true);
      await claim.end(stage);
    } finally {
      await stage.close();
    }
  });
});
