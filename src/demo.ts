/**
 * Owns `npm run demo`: a Redis, a sandbox in place of Maxio, and the real service in front of it, in one process, without an account or anything installed;
 * then a short story through the SCIM door; then it stays up until Ctrl-C. DEMO_EMPTY=1 leaves the story out.
 * Refuses to be reachable from other machines: the tokens are the same for everybody, so it listens on loopback.
 */
import { createServer } from 'node:net';
import closeWithGrace from 'close-with-grace';
import { type App, startApp } from './app.ts';
import { ConfigError, readConfig, readDemoOptions, secretsOf } from './config.ts';
import { type DemoRedis, openDemoRedis } from './demo/demo-redis.ts';
import { startLines, tryLines } from './demo/invitation.ts';
import { perform } from './demo/perform.ts';
import { Screen } from './demo/screen.ts';
import { createLogger } from './logger.ts';
import { createSandbox, type Sandbox } from './sandbox/sandbox.ts';
import { createTelemetry } from './telemetry.ts';

const HOST = '127.0.0.1';
const TOKENS = { scim: 'demo-scim-token-0123456789', ops: 'demo-ops-token-0123456789', maxio: 'demo-maxio-key' };

const opened: { close(): Promise<unknown> }[] = [];

/** Remembers what must be closed, the last opened first. */
function keep<T extends { close(): Promise<unknown> }>(thing: T): T {
  opened.unshift(thing);
  return thing;
}

/** Finds out whether a port is free before anything is started; port 0 becomes a free one. */
async function portFor(name: string, wanted: number): Promise<number> {
  const probe = createServer();
  return await new Promise((resolve, reject) => {
    probe.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'is in use by another program' : `cannot be used (${error.code})`;
      reject(new Error(`Port ${wanted} ${why}. Choose another one: ${name}=${wanted + 10_000} npm run demo`));
    });
    probe.listen(wanted, HOST, () => {
      const address = probe.address();
      const port = typeof address === 'object' && address !== null ? address.port : wanted;
      probe.close(() => resolve(port));
    });
  });
}

/** Builds the service as `npm start` does, from variables instead of an environment. */
async function startService(port: number, redis: DemoRedis, sandbox: Sandbox): Promise<App> {
  const config = readConfig({
    HOST,
    PORT: String(port),
    PUBLIC_URL: `http://${HOST}:${port}`,
    LOG_LEVEL: 'error',
    REDIS_URL: redis.url.reveal(),
    REDIS_DURABILITY_RELAXED: redis.relaxed ? '1' : '0',
    SHUTDOWN_DELAY_SECONDS: '0',
    OPS_TOKEN: TOKENS.ops,
    SCIM_TOKEN: TOKENS.scim,
    MAXIO_SUBDOMAIN: sandbox.subdomain,
    MAXIO_API_KEY: TOKENS.maxio,
    MAXIO_BASE_URL: sandbox.url,
    MAXIO_PRODUCT_HANDLE: 'pro',
  });
  const logger = createLogger({ level: config.logLevel, secrets: secretsOf(config) });
  const app = keep(await startApp({ config, logger, telemetry: createTelemetry({ version: config.version }) }));
  await app.server.listen({ host: HOST, port });
  app.begin();
  return app;
}

async function main(screen: Screen): Promise<void> {
  const options = readDemoOptions();
  const port = await portFor('PORT', options.port);
  const sandboxPort = await portFor('SANDBOX_PORT', options.sandboxPort);
  const redis = keep(await openDemoRedis(options.redisUrl));
  // On a Redis of somebody else an earlier demo may have left people whom this sandbox has never seen: a name of its own for each start.
  const subdomain = options.redisUrl === undefined ? 'demo' : `demo-${Date.now().toString(36)}`;
  const sandbox = keep(await createSandbox({ port: sandboxPort, host: HOST, apiKey: TOKENS.maxio, subdomain }));
  const app = await startService(port, redis, sandbox);
  const address = `http://${HOST}:${port}`;
  const facts = { address, sandboxUrl: sandbox.url, tokens: TOKENS, redis: redis.words, version: process.versions.node };

  screen.say(...startLines(facts));
  if (!options.empty) await perform({ app, sandbox, screen, scimUrl: `${address}/scim/v2`, token: TOKENS.scim });
  screen.say(...tryLines(facts, options.empty));
}

/** Closes what is open, the service before its sandbox and its Redis. */
async function close(): Promise<void> {
  for (const thing of opened.splice(0)) await thing.close();
}

const screen = new Screen(process.stdout);
closeWithGrace({ delay: 30_000, logger: false }, async ({ err }) => {
  if (err) console.error(`\nThe demo ends because of an unexpected error: ${err.stack ?? err.message}`);
  else screen.say('', 'Stopping. Everything in the demo is forgotten.');
  await close();
});

try {
  await main(screen);
} catch (error) {
  const expected = error instanceof ConfigError || (error instanceof Error && error.name === 'Error');
  console.error(expected ? `The demo cannot start: ${(error as Error).message}` : error);
  await close().catch(() => undefined);
  process.exit(1);
}
