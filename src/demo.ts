/**
 * Owns `npm run demo`: a Redis, a sandbox in place of Maxio, and the real service in front of it, in one process, without an account or anything installed;
 * then a short story through the SCIM door; then it stays up until Ctrl-C. DEMO_EMPTY=1 leaves the story out. With `--existing` it is the story of a site
 * that has customers already, and `play` is the other side of that one, from another terminal.
 * Refuses to be reachable from other machines: the tokens are the same for everybody, so it listens on loopback.
 */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import closeWithGrace from 'close-with-grace';
import { type App, startApp } from './app.ts';
import { ConfigError, readConfig, readDemoOptions, secretsOf } from './config.ts';
import { type Company, createCompany } from './demo/company.ts';
import { type DemoRedis, openDemoRedis } from './demo/demo-redis.ts';
import { nextLines, rolloutLines, startLines, tryLines } from './demo/invitation.ts';
import { onboard, PRODUCT } from './demo/onboard.ts';
import { type DemoOrder, readOrder } from './demo/options.ts';
import { perform } from './demo/perform.ts';
import { play } from './demo/play.ts';
import { Screen } from './demo/screen.ts';
import { TOKENS } from './demo/tokens.ts';
import { createLogger } from './logger.ts';
import { createSandbox, type Sandbox } from './sandbox/sandbox.ts';
import { createTelemetry } from './telemetry.ts';

const HOST = '127.0.0.1';

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
async function startService(port: number, redis: DemoRedis, sandbox: Sandbox, company: Company | undefined): Promise<App> {
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
    OAUTH_SIGNING_KEY: randomBytes(32).toString('hex'),
    MAXIO_SUBDOMAIN: sandbox.subdomain,
    MAXIO_API_KEY: TOKENS.maxio,
    MAXIO_BASE_URL: sandbox.url,
    MAXIO_PRODUCT_HANDLE: PRODUCT,
    MAXIO_START_MODE: company === undefined ? 'enforce' : 'observe',
    // A story should not wait for five seconds of calm; a rollout is shown as it would be.
    ...(company === undefined ? { MAXIO_GUARD_CALM_SECONDS: '1' } : {}),
  });
  const logger = createLogger({ level: config.logLevel, secrets: secretsOf(config) });
  const app = keep(await startApp({ config, logger, telemetry: createTelemetry({ version: config.version }) }));
  await app.server.listen({ host: HOST, port });
  app.begin();
  return app;
}

async function stage(screen: Screen, existing: number | undefined): Promise<void> {
  const options = readDemoOptions();
  const company = existing === undefined ? undefined : createCompany(existing);
  const port = await portFor('PORT', options.port);
  const sandboxPort = await portFor('SANDBOX_PORT', options.sandboxPort);
  const redis = keep(await openDemoRedis(options.redisUrl));
  // On a Redis of somebody else an earlier demo may have left people whom this sandbox has never seen: a name of its own for each start.
  const subdomain = options.redisUrl === undefined ? 'demo' : `demo-${Date.now().toString(36)}`;
  const sandbox = keep(await createSandbox({ port: sandboxPort, host: HOST, apiKey: TOKENS.maxio, subdomain }));
  if (company !== undefined) sandbox.state.seed({ customers: company.customers });
  const app = await startService(port, redis, sandbox, company);
  const address = `http://${HOST}:${port}`;
  const ports = [...(port === 8080 ? [] : [`PORT=${port}`]), ...(sandboxPort === 8090 ? [] : [`SANDBOX_PORT=${sandboxPort}`])];
  const facts = { address, ports, sandboxUrl: sandbox.url, tokens: TOKENS, redis, version: process.versions.node };

  if (company === undefined || existing === undefined) {
    screen.say(...startLines(facts));
    if (!options.empty) await perform({ app, sandbox, screen, scimUrl: `${address}/scim/v2`, token: TOKENS.scim });
    screen.say(...tryLines(facts, options.empty));
    return;
  }
  screen.say(...rolloutLines(facts, existing));
  await onboard({ address, company, sandbox, screen, empty: options.empty });
  screen.say(...nextLines(facts, existing));
}

/** Closes what is open, the service before its sandbox and its Redis. */
async function close(): Promise<void> {
  for (const thing of opened.splice(0)) await thing.close();
}

/** Does what the arguments say; a demo that stays up ends by a signal. */
async function main(order: DemoOrder, screen: Screen): Promise<void> {
  if (order.kind === 'told') {
    process.exitCode = order.exitCode;
    return;
  }
  if (order.kind === 'play') {
    const { port, sandboxPort } = readDemoOptions();
    const { scene, existing } = order;
    await play({ scene, existing, address: `http://${HOST}:${port}`, sandboxUrl: `http://${HOST}:${sandboxPort}`, screen });
    return;
  }
  closeWithGrace({ delay: 30_000, logger: false }, async ({ err }) => {
    if (err) console.error(`\nThe demo ends because of an unexpected error: ${err.stack ?? err.message}`);
    else screen.say('', 'Stopping. Everything in the demo is forgotten.');
    await close();
  });
  await stage(screen, order.existing);
}

const order = readOrder(process.argv.slice(2));
try {
  await main(order, new Screen(process.stdout));
} catch (error) {
  const expected = error instanceof ConfigError || (error instanceof Error && error.name === 'Error');
  const what = order.kind === 'play' ? 'The scene cannot be played' : 'The demo cannot start';
  console.error(expected ? `${what}: ${(error as Error).message}` : error);
  await close().catch(() => undefined);
  process.exit(1);
}
