/** Owns the promise that the operator page is text made of text: nothing from a directory or from Maxio becomes markup. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { opsPage, signInPage } from '../../src/ops/page.ts';
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
  held: 0,
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

function pageOf(person: ParkedPerson, site: SiteReading = reading): string {
  return opsPage('n0nce', { version: '1.0.0', status: 'warn', reasons: [], readings: [site], parked: [person], parkedTotal: 2 });
}

function tagsOf(page: string): string[] {
  return [...page.matchAll(/<\/?[a-z!][^>]*>/gi)].map(([tag]) => tag.replaceAll(/"[^"]*"/g, '""'));
}

test('B56 names, reasons and details of any content change no tag of the page', () => {
  const plain = tagsOf(pageOf(parked));
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('<script>', '"><img src=x onerror=a>', "'", '</td>', '&lt;'),
      (text, evil) => {
        const hostile = pageOf(
          { ...parked, userName: text + evil, reason: evil + text, detail: text + evil, id: evil, site: evil },
          { ...reading, key: evil },
        );
        expect(tagsOf(hostile)).toEqual(plain);
      },
    ),
  );
});

test('the page loads nothing and runs nothing', () => {
  for (const page of [pageOf(parked), signInPage('n0nce', true)]) {
    expect(page).not.toMatch(/<script|<link|<img|<iframe|https?:|\son[a-z]+=|url\(/i);
    expect(page).toContain('<style nonce="n0nce">');
  }
});

test('the page shows leavers first of all as such, and what waits for a human', () => {
  const page = pageOf(parked);
  for (const text of ['us.acme (test site)', '9500 of 10000', 'leaver', 'needs-email', 'Parked, 1 of 2'])
    expect(page).toContain(text);
});
