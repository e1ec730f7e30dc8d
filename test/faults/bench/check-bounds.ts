/**
 * Owns the part of the checker about limits: I5, I10, I11 and I12. Pure.
 */
import { maxInWindow } from '../../../src/sandbox/ledger.ts';
import type { Context, Finding } from './check-context.ts';

/** I5: calls in any rolling window and at once, as they arrived at Maxio, whoever sent them. */
export function checkLimits({ evidence }: Context): Finding[] {
  const { callsPerWindow, windowMs, concurrency } = evidence.settings;
  const found: Finding[] = [];
  const most = maxInWindow(
    evidence.ledger.map(({ arrivedMs }) => arrivedMs),
    windowMs,
  );
  if (most > callsPerWindow) {
    found.push({ invariant: 'I5', evidence: `${most} calls within ${windowMs} ms, allowed are ${callsPerWindow}` });
  }
  const crowd = evidence.ledger.find(({ inFlight }) => inFlight > concurrency);
  if (crowd !== undefined) {
    const what = `request ${crowd.seq} was the ${crowd.inFlight}th in flight, allowed are ${concurrency}`;
    found.push({ invariant: 'I5', evidence: what });
  }
  return found;
}

/** I10: memory, open files, noise and bells. */
export function checkBounds({ evidence }: Context): Finding[] {
  const { rssBytesMax, openFilesMax, warnLinesPerSecondMax, bellsPerPersonMax } = evidence.settings;
  const found: Finding[] = [];
  const tooMuch = (name: string, what: string, is: number, most: number): void => {
    if (is > most) found.push({ invariant: 'I10', evidence: `${name}: ${is} ${what}, the bound is ${most}` });
  };
  for (const { name, rssBytes, openFiles, warnLinesPerSecond } of evidence.processes) {
    tooMuch(name, 'bytes of memory', rssBytes, rssBytesMax);
    tooMuch(name, 'open files', openFiles, openFilesMax);
    tooMuch(name, 'warnings within a second', warnLinesPerSecond, warnLinesPerSecondMax);
  }
  const bells = new Map<string, number>();
  for (const { lane, userId } of evidence.bells) bells.set(`${lane} ${userId}`, (bells.get(`${lane} ${userId}`) ?? 0) + 1);
  for (const [whose, count] of bells) tooMuch(`lane and person ${whose}`, 'bells', count, bellsPerPersonMax);
  return found;
}

/** I11: texts that only secrets and personal data hold are nowhere else. The finding does not repeat the text. */
export function checkLeaks({ evidence }: Context): Finding[] {
  const { canaries } = evidence.settings;
  const found: Finding[] = [];
  for (const { where, text } of evidence.texts) {
    const low = text.toLowerCase();
    const at = canaries.findIndex((canary) => low.includes(canary.toLowerCase()));
    if (at >= 0) found.push({ invariant: 'I11', evidence: `${where} holds canary ${at + 1}` });
  }
  return found;
}

/**
 * I12: every fault ends, the work comes to rest, nobody is left pending, and nobody is parked: no fault of the bench gives a rule a reason to park.
 * Whoever is pending is the reason why there is no rest; without anybody, that there is none is a finding of its own.
 */
export function checkQuiet({ evidence, people, named }: Context): Finding[] {
  const found: Finding[] = evidence.unmended.map((what) => ({
    invariant: 'I12',
    evidence: `a fault did not mend itself: ${what}`,
  }));
  if (!evidence.quiet.reached && !evidence.people.some(({ dirty }) => dirty)) {
    found.push({ invariant: 'I12', evidence: `nobody is pending, and there is no rest: ${evidence.quiet.why ?? 'no reason'}` });
  }
  const numbers = new Map([...people.values()].flatMap(({ ids, person }) => ids.map((id) => [id, person] as const)));
  for (const { id, dirty, parked, parkedFor } of evidence.people) {
    const person = numbers.get(id);
    if (person !== undefined && named.people.has(person)) continue;
    const who = person === undefined ? {} : { person };
    if (parked)
      found.push({ ...who, invariant: 'I12', evidence: `parked, though nothing asked for it: ${parkedFor ?? 'no reason'}` });
    else if (dirty) {
      const { waitedMs, why } = evidence.quiet;
      const what = `still pending ${Math.round(waitedMs / 1_000)} s after the last fault${why === undefined ? '' : `: ${why}`}`;
      found.push({ ...who, invariant: 'I12', evidence: what });
    }
  }
  return found;
}
