/**
 * Owns a preload that blocks the event loop of a process, as a defect or a machine that stands still does: until the file that BLOCK_UNTIL names is there, and for
 * a minute at most. It begins at SIGWINCH, which nothing else listens to here, or, where BLOCK_AT is set, as soon as JSON for Maxio is written that names this reference.
 * Refuses to do anything else.
 */
import { existsSync } from 'node:fs';

const { BLOCK_UNTIL: file = '', BLOCK_AT: reference } = process.env;
const LOOKS_MAX = 3_000;
const { stringify } = JSON;
let blocked = false;

function block(): void {
  if (blocked) return;
  blocked = true;
  console.log('the event loop is blocked');
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  for (let look = 0; look < LOOKS_MAX && !existsSync(file); look += 1) Atomics.wait(nothing, 0, 0, 20);
}

process.on('SIGWINCH', block);
if (reference !== undefined) {
  JSON.stringify = ((value: unknown, ...rest: []) => {
    const text = stringify(value, ...rest);
    if (typeof text === 'string' && text.includes(`"reference":"${reference}"`) && text.includes('uniqueness_token')) block();
    return text;
  }) as typeof JSON.stringify;
}
