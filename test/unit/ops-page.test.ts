/** Owns the promise that the operator page is text made of text: nothing from a directory or from Maxio becomes markup. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { HeldPerson } from '../../src/ops/api/shapes.ts';
import { opsPage, type PageContent, signInPage } from '../../src/ops/page.ts';
import type { ParkedPerson } from '../../src/ops/parked.ts';
import type { SiteReading } from '../../src/ops/snapshot.ts';

const reading: SiteReading = {
  key: 'us.acme',
  mode: 'enforce',
  test: true,
  idp: 'okta',
  budget: { limit: 10_000, used: 9_500, windowSeconds: 3_600 },
  pending: 3,
  oldestPendingSeconds: 400,
  urgent: 1,
  oldestUrgentSeconds: 400,
  parked: 1,
  held: 1,
  modeBy: 'dana',
  modeSince: '2026-11-20T11:00:00.000Z',
  modeWhy: 'month-end close',
  exempt: 2,
  groups: 7,
  pendingForSeconds: 5_400,
  guard: {
    trippedAt: '2026-11-20T11:30:00.000Z',
    why: 'hour',
    activePeople: 200,
    leftInHour: 11,
    limitHour: 10,
    leftInDay: 12,
    limitDay: 20,
    heldMonthlyCents: 123_450,
    activeMonthlyCents: 9_000_000,
  },
  survey: { state: 'done', detail: 'Everybody is known.' },
  drift: { state: 'done', at: '2026-11-20T03:00:00.000Z', counts: { 'fields-differ': 3 } },
  configurationWaiting: true,
  recovery: null,
  tokenExpires: '2026-12-01T23:59:59.999Z',
  liveTokens: 1,
  clientExpires: null,
  liveCredentials: 0,
  lateAfterSeconds: 300,
  inFlight: 1,
  pauseStreak: 0,
};
const parked: ParkedPerson = {
  site: 'us.acme',
  id: '11111111-1111-5111-8111-111111111111',
  userName: 'ann@example.com',
  reason: 'needs-email',
  detail: 'Map an e-mail attribute.',
  leaver: true,
  parkedAt: '2026-11-20T12:00:00.000Z',
  parkedSeconds: 90,
};

const held: HeldPerson = {
  site: 'us.acme',
  id: '22222222-2222-5222-8222-222222222222',
  userName: 'bob@example.com',
  what: 'person',
  products: [],
  leftAt: '2026-11-20T11:30:00.000Z',
  deleted: false,
  why: 'hour',
  subscriptions: 1,
  monthlyCents: 123_450,
  decidedBy: null,
  decidedAt: null,
  requestId: 'r-1',
};
const notice: PageContent['notices'][number] = {
  site: 'us.acme',
  topic: 'held',
  severity: 'page',
  title: 'held',
  what: '1 leaver is held.',
  who: '1 person.',
  todo: 'maxio-scim held',
  since: '2026-11-20T11:30:00.000Z',
  told: [],
  failing: [],
};

function pageOf(content: Partial<PageContent> = {}): string {
  return opsPage('n0nce', {
    version: '1.0.0',
    status: 'warn',
    reasons: [],
    operator: { name: 'ann', role: 'approver' },
    readings: [reading],
    notices: [notice],
    held: [held],
    heldMarks: new Map([['us.acme', `1 ${held.id}`]]),
    parked: [parked],
    parkedTotal: 2,
    ...content,
  });
}

function tagsOf(page: string): string[] {
  return [...page.matchAll(/<\/?[a-z!][^>]*>/gi)].map(([tag]) => tag.replaceAll(/"[^"]*"/g, '""'));
}

test('B56 names, reasons and details of any content change no tag of the page', () => {
  const plain = tagsOf(pageOf({ readings: [{ ...reading, survey: { state: 'running', detail: 'x' } }] }));
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('<script>', '"><img src=x onerror=a>', "'", '</td>', '&lt;'),
      (text, evil) => {
        const words = text + evil;
        const hostile = pageOf({
          reasons: [],
          operator: { name: words, role: 'approver' },
          readings: [
            {
              ...reading,
              key: evil,
              modeBy: words,
              modeWhy: words,
              guard: { ...reading.guard, why: words },
              survey: { state: words, detail: words },
            },
          ],
          notices: [{ ...notice, site: words, what: words, who: words, todo: words }],
          held: [{ ...held, userName: words, id: evil, site: evil }],
          parked: [{ ...parked, userName: words, reason: evil + text, detail: words, id: evil, site: evil }],
        });
        expect(tagsOf(hostile)).toEqual(plain);
      },
    ),
  );
});

test.each([
  [{}, 'oldest 7 min, done in about 90 min<'],
  [{ pendingForSeconds: null }, 'oldest 7 min<'],
  [{ pending: 0, pendingForSeconds: 0 }, '<b class="">0</b><small><'],
])('with the changes that wait it says how long that lasts, where anything is done: %o', (now, words) => {
  expect(pageOf({ readings: [{ ...reading, ...now }] })).toContain(words);
});

test('the page loads nothing and runs nothing', () => {
  for (const page of [pageOf(), pageOf({ told: { good: false, text: 'no' } }), signInPage('n0nce', 'wrong')]) {
    expect(page).not.toMatch(/<script|<link|<img|<iframe|https?:|\son[a-z]+=|url\(/i);
    expect(page).toContain('<style nonce="n0nce">');
  }
});

test('the page shows leavers first of all as such, and what waits for a human', () => {
  const page = pageOf();
  const texts = [
    'us.acme (test site)',
    '9500 of 10000',
    'leaver',
    'needs-email',
    'Parked, 1 of 2',
    'by dana, 2026-11-20T11:00:00.000Z: month-end close',
    'The guard has held leavers since 2026-11-20T11:30:00.000Z (hour).',
    'Approve all 1',
    '1,234.50',
    'A configuration waits for approval',
  ];
  for (const text of texts) expect(page).toContain(text);
});

test('the page offers nobody what their role does not allow', () => {
  const forms = (role: PageContent['operator']['role']): string[] =>
    [...pageOf({ operator: { name: 'ann', role } }).matchAll(/action="([^"]+)"/g)].map(([, action]) => action ?? '');
  expect(new Set(forms('viewer'))).toEqual(new Set(['/ops/sign-out']));
  expect(new Set(forms('operator'))).toEqual(new Set(['/ops/sign-out', '/ops/retry']));
  expect(new Set(forms('approver'))).toEqual(new Set(['/ops/sign-out', '/ops/retry', '/ops/held']));
});

test('after a form the page stays, so that its answer can be read', () => {
  expect(pageOf()).toContain('http-equiv="refresh"');
  const told = pageOf({ told: { good: true, text: '3 leaves approved.' } });
  expect(told).toContain('3 leaves approved.');
  expect(told).not.toContain('http-equiv="refresh"');
});
