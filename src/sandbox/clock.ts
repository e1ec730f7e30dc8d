/**
 * Owns time at the sandbox: a clock that runs and can be moved forward, the site's time zone, and the calendar of billing periods.
 * Refuses to know what is due when. Instants are epoch milliseconds cut to whole seconds, because the API shows no fractions.
 * Answers to the data types page of developers.maxio.com (ISO 8601 with the site's offset).
 */

export const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

export class Clock {
  #aheadMs = 0;

  /** Reads the sandbox time as epoch milliseconds, cut to whole seconds. */
  nowMs(): number {
    return Math.floor((Date.now() + this.#aheadMs) / 1_000) * 1_000;
  }

  /** Moves the clock forward. Throws RangeError for a negative step: billing history does not run backwards. */
  advance(seconds: number): void {
    if (!(seconds >= 0)) throw new RangeError('the clock only moves forward');
    this.#aheadMs += seconds * 1_000;
  }

  /** Puts the clock at an instant, from which it runs on. Throws RangeError when that instant has passed. */
  set(instantMs: number): void {
    if (!(instantMs >= this.nowMs())) throw new RangeError('the clock only moves forward');
    this.#aheadMs = instantMs - Date.now();
  }

  /** Returns to real time. */
  reset(): void {
    this.#aheadMs = 0;
  }
}

/** Formats an instant as the API does, such as `2026-11-20T12:00:00-05:00`; null stays null. */
export function formatInstant(instantMs: number | null, offsetMinutes: number): string | null {
  return instantMs === null ? null : formatMoment(instantMs, offsetMinutes);
}

/** Formats an instant that is known to exist. */
export function formatMoment(instantMs: number, offsetMinutes: number): string {
  const local = new Date(instantMs + offsetMinutes * MINUTE_MS).toISOString().slice(0, 19);
  const size = Math.abs(offsetMinutes);
  const hours = String(Math.floor(size / 60)).padStart(2, '0');
  const minutes = String(size % 60).padStart(2, '0');
  return `${local}${offsetMinutes < 0 ? '-' : '+'}${hours}:${minutes}`;
}

/**
 * Reads a date or date-time as list filters and bodies carry it; without a zone it is meant in the site's.
 * Returns undefined for anything else.
 */
export function parseInstant(text: unknown, offsetMinutes: number): number | undefined {
  if (typeof text !== 'string') return undefined;
  const parts = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.\d+)?)?\s*(Z|UTC|[+-]\d\d:?\d\d)?$/i.exec(text.trim());
  if (!parts) return undefined;
  const [, day, time = '00:00:00', zone] = parts;
  const wallMs = Date.parse(`${day}T${time.length === 5 ? `${time}:00` : time}Z`);
  if (Number.isNaN(wallMs)) return undefined;
  return wallMs - (zone ? zoneMinutes(zone) : offsetMinutes) * MINUTE_MS;
}

function zoneMinutes(zone: string): number {
  if (/^(z|utc)$/i.test(zone)) return 0;
  const digits = zone.replace(':', '');
  const minutes = Number(digits.slice(1, 3)) * 60 + Number(digits.slice(3, 5));
  return digits.startsWith('-') ? -minutes : minutes;
}

/** Tells the day of the month, which renewals keep wherever the month is long enough. */
export function dayOfMonth(instantMs: number, offsetMinutes: number): number {
  return new Date(instantMs + offsetMinutes * MINUTE_MS).getUTCDate();
}

export interface Interval {
  interval: number;
  interval_unit: 'month' | 'day';
}

/** Adds one billing interval; a month that is too short for the anchor day ends the period on its last day. */
export function addInterval(instantMs: number, period: Interval, anchorDay: number, offsetMinutes: number): number {
  if (period.interval_unit === 'day') return instantMs + period.interval * DAY_MS;
  const local = new Date(instantMs + offsetMinutes * MINUTE_MS);
  const month = local.getUTCMonth() + period.interval;
  const lastDay = new Date(Date.UTC(local.getUTCFullYear(), month + 1, 0)).getUTCDate();
  const timeOfDayMs =
    instantMs + offsetMinutes * MINUTE_MS - Date.UTC(local.getUTCFullYear(), local.getUTCMonth(), local.getUTCDate());
  return Date.UTC(local.getUTCFullYear(), month, Math.min(anchorDay, lastDay)) + timeOfDayMs - offsetMinutes * MINUTE_MS;
}
