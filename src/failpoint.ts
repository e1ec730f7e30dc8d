/**
 * Owns the named points at which a test may kill, stall or throw inside the real service. Unarmed, a point is one comparison.
 * Refuses to arm itself: only configuration does, and it accepts `FAILPOINT` only when every site is a loopback sandbox.
 */

export type FailpointName =
  | 'before_commit'
  | 'after_commit'
  | 'before_bell'
  | 'after_lease'
  | 'after_read'
  | 'before_send'
  | 'after_answer'
  | 'after_record'
  | 'after_settle';

interface Armed {
  name: string;
  action: 'kill' | 'stall' | 'throw';
  /** Fires at the nth passage, once. */
  passage: number;
}

let armed: Armed | undefined;

/** Arm one point: `name:kill|stall|throw[:n]`. */
export function armFailpoint(spec: string): void {
  const [name = '', action = 'kill', passage = '1'] = spec.split(':');
  if (action !== 'kill' && action !== 'stall' && action !== 'throw') throw new Error(`unknown failpoint action: ${action}`);
  armed = { name, action, passage: Number(passage) };
}

/** Pass a named point. */
export async function failpoint(name: FailpointName): Promise<void> {
  if (armed === undefined || armed.name !== name) return;
  armed.passage -= 1;
  if (armed.passage !== 0) return;
  if (armed.action === 'kill') process.kill(process.pid, 'SIGKILL');
  if (armed.action === 'throw') throw new Error(`failpoint ${name}`);
  await new Promise(() => {});
}
