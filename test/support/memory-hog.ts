/**
 * Owns a preload that makes a process run out of memory, really, as soon as it writes JSON for Maxio that names the reference in MEMORY_HOG.
 * Refuses to do anything else.
 */
const { MEMORY_HOG: reference = '' } = process.env;
const { stringify } = JSON;
const kept: number[][] = [];

JSON.stringify = ((value: unknown, ...rest: []) => {
  const text = stringify(value, ...rest);
  if (typeof text === 'string' && text.includes(`"reference":"${reference}"`) && text.includes('uniqueness_token')) {
    for (;;) kept.push(Array.from({ length: 100_000 }, Math.random));
  }
  return text;
}) as typeof JSON.stringify;
