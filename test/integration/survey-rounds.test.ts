/**
 * The rounds on a real Redis: one process at a time, every chore for itself, nobody calls Maxio who should not, and a dead process is followed by another.
 */
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { NotMade } from '../../src/provisioning/caller.ts';
import { type Chore, Rounds, type Turn } from '../../src/survey/rounds.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { openSite, type TestSite } from './directory-bench.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis({ appendfsync: 'no' });
});
afterAll(() => server.stop());

const WAIT = { timeout: 20_000, interval: 20 };

class Counted implements Chore {
  readonly name: string;
  readonly needsMaxio: boolean;
  turns: Turn[] = [];
  work: (turn: Turn) => Promise<'more' | 'idle'> = async () => 'more';

  constructor(name: string, needsMaxio = true) {
    this.name = name;
    this.needsMaxio = needsMaxio;
  }

  async turn(turn: Turn): Promise<'more' | 'idle'> {
    this.turns.push(turn);
    return await this.work(turn);
  }
}

const open: Rounds[] = [];
afterAll(() => Promise.all(open.map((rounds) => rounds.close())));

function roundsOf(site: TestSite, chores: Chore[], options: { confirmed?: () => boolean; lines?: string[] } = {}): Rounds {
  const sink = new Writable({
    write(chunk, _encoding, done) {
      options.lines?.push(String(chunk));
      done();
    },
  });
  const rounds = new Rounds({
    siteKey: site.key,
    redis: site.redis,
    chores,
    confirmed: options.confirmed ?? (() => true),
    logger: pino({ level: 'debug' }, sink),
  });
  open.push(rounds);
  rounds.start();
  return rounds;
}

const holderOf = (site: TestSite) => site.redis.get(`${site.store.prefix}rounds`);

describe('the rounds of a site', () => {
  it('are made by one process, and by another as soon as that one has stopped', async () => {
    const site = openSite(server);
    const [one, two] = [new Counted('one'), new Counted('two')];
    const first = roundsOf(site, [one]);
    await vi.waitFor(() => expect(one.turns.length).toBeGreaterThan(5), WAIT);
    roundsOf(site.replica(), [two]);
    const before = one.turns.length;
    await vi.waitFor(() => expect(one.turns.length).toBeGreaterThan(before + 50), WAIT);
    expect(two.turns).toHaveLength(0);
    await first.close();
    const after = one.turns.length;
    await vi.waitFor(() => expect(two.turns.length).toBeGreaterThan(5), WAIT);
    expect(one.turns).toHaveLength(after);
  });

  it('are taken over when the process that made them is gone without a word', async () => {
    const site = openSite(server);
    await site.redis.set(`${site.store.prefix}rounds`, 'a process that was killed', 'PX', 1_500);
    const chore = new Counted('chore');
    roundsOf(site, [chore]);
    await vi.waitFor(() => expect(chore.turns.length).toBeGreaterThan(0), WAIT);
    expect(await holderOf(site)).not.toBe('a process that was killed');
  });

  it('end the work of a process that has lost the right to them', async () => {
    const site = openSite(server);
    const chore = new Counted('chore');
    let ended: unknown;
    chore.work = ({ signal }) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          ended = signal.reason;
          resolve('idle');
        });
      });
    roundsOf(site, [chore]);
    await vi.waitFor(() => expect(chore.turns).toHaveLength(1), WAIT);
    await site.redis.set(`${site.store.prefix}rounds`, 'somebody else');
    await vi.waitFor(() => expect(ended).toBeInstanceOf(Error), WAIT);
  });

  it('are left by a process that Maxio has not confirmed the site to, to one that it has; alone it makes what needs no Maxio', async () => {
    const site = openSite(server);
    const [refused, good] = [new Counted('refused', false), new Counted('good')];
    const doomed = roundsOf(site, [refused], { confirmed: () => false });
    await vi.waitFor(() => expect(refused.turns.length).toBeGreaterThan(5), WAIT);
    const heir = roundsOf(site.replica(), [good]);
    // It hears of it at its next look, and makes no turn from then on.
    await vi.waitFor(async () => {
      const [before, meanwhile] = [refused.turns.length, good.turns.length + 50];
      await vi.waitFor(() => expect(good.turns.length).toBeGreaterThan(meanwhile), WAIT);
      expect(refused.turns).toHaveLength(before);
    }, WAIT);
    const holder = await holderOf(site);
    await doomed.close();
    expect(await holderOf(site), 'whoever has given way gives back nothing').toBe(holder);
    await heir.close();
    expect(await holderOf(site)).toBeNull();
  });

  it('are kept by a process that is confirmed while it makes them', async () => {
    const site = openSite(server);
    const chore = new Counted('chore');
    let sure = false;
    const rounds = roundsOf(site, [chore], { confirmed: () => sure });
    await vi.waitFor(async () => expect(await holderOf(site)).toMatch(/^\?/), WAIT);
    sure = true;
    await vi.waitFor(() => expect(chore.turns.length).toBeGreaterThan(5), WAIT);
    expect(await holderOf(site)).not.toMatch(/^\?/);
    await rounds.close();
    expect(await holderOf(site)).toBeNull();
  });

  it('are given back when the process stops, with the turn at work ended', async () => {
    const site = openSite(server);
    const chore = new Counted('chore');
    chore.work = ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve('idle')));
    const rounds = roundsOf(site, [chore]);
    await vi.waitFor(() => expect(chore.turns).toHaveLength(1), WAIT);
    await rounds.close();
    expect(await holderOf(site)).toBeNull();
  });
});

describe('a chore', () => {
  it('that fails is said once for each kind of failure, and keeps nobody else', async () => {
    const site = openSite(server);
    const lines: string[] = [];
    const [bad, good] = [new Counted('bad'), new Counted('good')];
    let says = 'the first kind';
    bad.work = async () => {
      throw new Error(says);
    };
    roundsOf(site, [bad, good], { lines });
    await vi.waitFor(() => expect(bad.turns.length).toBeGreaterThanOrEqual(2), WAIT);
    expect(good.turns.length).toBeGreaterThan(bad.turns.length);
    expect(lines.filter((line) => line.includes('the first kind'))).toHaveLength(1);
    says = 'the second kind';
    await vi.waitFor(() => expect(lines.filter((line) => line.includes('the second kind'))).toHaveLength(1), WAIT);
  });

  it('whose call the budget refused says nothing and comes again', async () => {
    const site = openSite(server);
    const lines: string[] = [];
    const chore = new Counted('chore');
    chore.work = async () => {
      throw new NotMade('budget', 10, 'background');
    };
    roundsOf(site, [chore], { lines });
    await vi.waitFor(() => expect(chore.turns.length).toBeGreaterThan(3), WAIT);
    expect(lines).toEqual([]);
  });

  it('never has two turns at once, however long one takes', async () => {
    const site = openSite(server);
    const chore = new Counted('slow');
    let [atWork, most] = [0, 0];
    const goOn: (() => void)[] = [];
    chore.work = async () => {
      atWork += 1;
      most = Math.max(most, atWork);
      await new Promise<void>((resolve) => goOn.push(resolve));
      atWork -= 1;
      return 'more';
    };
    const other = new Counted('other');
    roundsOf(site, [chore, other]);
    await vi.waitFor(() => expect(other.turns.length).toBeGreaterThan(20), WAIT);
    expect(chore.turns).toHaveLength(1);
    goOn.shift()?.();
    await vi.waitFor(() => expect(chore.turns).toHaveLength(2), WAIT);
    goOn.shift()?.();
    expect(most).toBe(1);
    chore.work = async () => 'idle';
  });

  it.each([
    { when: 'the site is paused', mode: 'paused' as const, confirmed: true },
    { when: 'there was no first contact', mode: null, confirmed: true },
    { when: 'Maxio has not confirmed the site', mode: 'observe' as const, confirmed: false },
  ])('that calls Maxio rests while $when; one that does not goes on', async ({ mode, confirmed }) => {
    const site = openSite(server, { mode });
    const [calls, quiet] = [new Counted('calls'), new Counted('quiet', false)];
    let sure = confirmed;
    roundsOf(site, [calls, quiet], { confirmed: () => sure });
    await vi.waitFor(() => expect(quiet.turns.length).toBeGreaterThan(10), WAIT);
    expect(calls.turns).toHaveLength(0);
    expect(quiet.turns[0]?.mode).toBe(mode ?? undefined);
    sure = true;
    await site.redis.hset(`${site.store.prefix}mode`, 'mode', 'observe');
    await vi.waitFor(() => expect(calls.turns.length).toBeGreaterThan(0), WAIT);
    expect(calls.turns[0]?.mode).toBe('observe');
  });
});
