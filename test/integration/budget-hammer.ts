/**
 * Owns one hammering process for the test of the budget over processes: takes and calls in a tight loop on several lanes at once,
 * through a private Redis and against a receiver that counts. Refuses to judge; the receiver does.
 * Arguments: JSON { redisUrl, prefix, url, limits, loops, hang }. With `hang` it sends nothing and keeps what it was granted.
 */
import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { Budget, type BudgetLimits, type Lane, mayStillSend } from '../../src/maxio/budget.ts';
import { connectRedis, redisReady } from '../../src/redis.ts';

interface Orders {
  redisUrl: string;
  prefix: string;
  url: string;
  limits: BudgetLimits;
  loops: number;
  hang: boolean;
}

const orders = JSON.parse(process.argv[2] ?? '{}') as Orders;
const redis = connectRedis(orders.redisUrl, 'commands');
await redisReady(redis);
const budget = new Budget(redis, orders.prefix, orders.limits);
const agent = new Agent({ keepAlive: true, maxSockets: 8 });

function call(): Promise<void> {
  return new Promise((resolve, reject) => {
    const outgoing = request(orders.url, { agent }, (answer) => answer.resume().once('end', resolve));
    outgoing.once('error', reject).end();
  });
}

async function hammer(lane: Lane): Promise<never> {
  for (;;) {
    const answer = await budget.take({ lane, waiter: `${process.pid}:${lane}` });
    if (!answer.granted) {
      if ('waitMs' in answer) await pause(Math.min(answer.waitMs, 100));
      continue;
    }
    if (orders.hang) {
      process.stdout.write('granted\n');
      await pause(600_000);
    }
    // Grants reach the wire late, as they do in life.
    await pause(Math.random() * 6);
    if (!mayStillSend(answer)) {
      await budget.release(answer.slot, 'unsent');
      continue;
    }
    const result = await call().then(
      () => 'answered' as const,
      () => 'unknown' as const,
    );
    await budget.release(answer.slot, result);
  }
}

const lanes: Lane[] = ['urgent', 'normal', 'background'];
await Promise.all(Array.from({ length: orders.loops }, (_, i) => hammer(lanes[i % 3] ?? 'normal')));
