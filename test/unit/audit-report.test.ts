/** The report of joiners and leavers, from lines alone: who counts, what carries a change out, and what overtakes it. */
import { expect, test } from 'vitest';
import { sealedLine } from '../../src/audit-chain.ts';
import { Movements } from '../../src/cli/audit-report.ts';

const DAY = Date.parse('2026-03-01T00:00:00Z');
const at = (minutes: number): string => new Date(DAY + minutes * 60_000).toISOString();
let seq = 0;

function line(minutes: number, subject: string, generation: number, entry: object): string {
  seq += 1;
  return sealedLine(JSON.stringify({ seq, at: at(minutes), subject, generation, entry }), '0'.repeat(64));
}

const change = (minutes: number, who: string, generation: number, wasActive: boolean | null, active: boolean): string =>
  line(minutes, who, generation, { kind: 'scim', what: 'patch', actor: 'okta', requestId: `r${generation}`, wasActive, active });
const settled = (minutes: number, who: string, generation: number): string =>
  line(minutes, who, generation, { kind: 'run', what: 'settled' });

function report(lines: string[], from = 0, to = 1_440): object[] {
  const found = new Movements(DAY + from * 60_000, DAY + to * 60_000);
  for (const one of lines) found.add(one);
  return found.found.map(({ kind, subject, state, elapsedSeconds }) => ({ kind, subject, state, elapsedSeconds }));
}

test('S17 joiners and leavers with the time until Maxio held it; other changes are none', () => {
  const lines = [
    change(1, 'a', 1, null, true),
    change(2, 'a', 2, true, true),
    settled(3, 'a', 2),
    change(4, 'b', 1, null, false),
    settled(5, 'b', 1),
    change(6, 'a', 3, true, false),
    line(7, '', 0, { kind: 'scim', what: 'patch', active: true, wasActive: false }),
    'no line at all',
    settled(8, 'a', 3),
  ];
  expect(report(lines)).toEqual([
    { kind: 'joiner', subject: 'a', state: 'done', elapsedSeconds: 120 },
    { kind: 'leaver', subject: 'a', state: 'done', elapsedSeconds: 120 },
  ]);
});

test('S17 an end that belongs to an earlier generation carries out nothing, a later change overtakes, and the rest is open', () => {
  const lines = [
    change(1, 'a', 5, false, true),
    settled(2, 'a', 4),
    change(3, 'a', 6, true, false),
    change(4, 'b', 1, null, true),
  ];
  expect(report(lines)).toEqual([
    { kind: 'joiner', subject: 'a', state: 'overtaken', elapsedSeconds: null },
    { kind: 'leaver', subject: 'a', state: 'open', elapsedSeconds: null },
    { kind: 'joiner', subject: 'b', state: 'open', elapsedSeconds: null },
  ]);
});

test('S17 counts who was acknowledged in the time, however late it was carried out', () => {
  const lines = [
    change(9, 'early', 1, null, true),
    change(10, 'first', 1, null, true),
    change(19, 'last', 1, null, true),
    change(20, 'late', 1, null, true),
    settled(60, 'last', 1),
    change(61, 'first', 2, true, false),
  ];
  expect(report(lines, 10, 20)).toEqual([
    { kind: 'joiner', subject: 'first', state: 'overtaken', elapsedSeconds: null },
    { kind: 'joiner', subject: 'last', state: 'done', elapsedSeconds: 2_460 },
  ]);
});
