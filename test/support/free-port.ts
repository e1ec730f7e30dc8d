/**
 * Owns the ports of servers that tests start and start again. They lie below the range from which the kernel takes the
 * local ends of outgoing connections: a port from that range may be gone between the question and the server's start, or
 * while a killed server is down.
 */
import { createServer } from 'node:net';

const FIRST = 12_000;
const COUNT = 20_000;

// Test processes run side by side: each begins somewhere else and hands out no port twice.
let next = Math.floor(Math.random() * COUNT);

/** A loopback port on which nothing listens. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < COUNT; attempt += 1) {
    const port = FIRST + next;
    next = (next + 1) % COUNT;
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port between ${FIRST} and ${FIRST + COUNT}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
