/**
 * Owns a worker process that takes one job of a queue and dies by SIGKILL in the middle of it. Arguments: Redis URL, queue
 * name, maxStalledCount (empty for the default). Refuses to do anything else.
 */
import { Worker } from 'bullmq';
import { connectRedis } from '../../src/redis.ts';

const [url = '', queue = '', maxStalledCount = ''] = process.argv.slice(2);
const worker = new Worker(queue, async () => process.kill(process.pid, 'SIGKILL'), {
  connection: connectRedis(url, 'worker'),
  lockDuration: 500,
  stalledInterval: 200,
  ...(maxStalledCount ? { maxStalledCount: Number(maxStalledCount) } : {}),
});
worker.on('error', (err) => console.error(err.message));
