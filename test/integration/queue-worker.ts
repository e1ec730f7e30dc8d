/**
 * Owns a worker process of its own for one site, to be killed: Redis URL, site key, sandbox URL, lease in ms and failpoint come as one JSON argument.
 * Refuses to serve SCIM, and to outlive its test: it ends when its standard input does.
 */

import { armFailpoint } from '../../src/failpoint.ts';
import { MaxioClient } from '../../src/maxio/client.ts';
import { connectRedis } from '../../src/redis.ts';
import { Secret } from '../../src/secret.ts';
import type { TestRedis } from '../support/redis.ts';
import { openBench } from './queue-bench.ts';

export interface WorkerOrder {
  redisUrl: string;
  key: string;
  sandboxUrl: string;
  apiKey: string;
  leaseMs: number;
  unknownOutcomeMs: number;
  failpoint?: string;
}

const order = JSON.parse(process.argv[2] ?? '{}') as WorkerOrder;
const connect: TestRedis['connect'] = (role = 'commands') => {
  const redis = connectRedis(order.redisUrl, role);
  redis.options.enableOfflineQueue = true;
  return redis;
};
if (order.failpoint !== undefined) armFailpoint(order.failpoint);
const site = { region: 'us', subdomain: 'acme', apiKey: new Secret(order.apiKey), baseUrl: order.sandboxUrl } as const;
const client = new MaxioClient(site, { deadlineMs: 5_000 });
openBench({ connect } as TestRedis, { ...order, client }).work();
process.stdin.resume().on('close', () => process.exit());
