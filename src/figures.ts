/** Owns how counts and amounts are written for people, wherever they read them. Pure. An amount has no currency: it is the site's, which is not known here. */

const whole = new Intl.NumberFormat('en-US');
const exact = new Intl.NumberFormat('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** Writes a count with separators. */
export function figure(value: number): string {
  return whole.format(value);
}

/** Writes an amount of cents. */
export function money(cents: number): string {
  return exact.format(cents / 100);
}

/** Says how many of something there are. */
export function many(value: number, one: string, more = `${one}s`): string {
  return `${figure(value)} ${value === 1 ? one : more}`;
}
