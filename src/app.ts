/**
 * Owns the construction of one process: connections, sites, the HTTP server, and the order in which they start and stop. The only place that constructs.
 * No branch on business state. Stopping: not ready, take no new bells, answer what is in flight, give runs a while to end, then close Redis.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { Site } from './app-site.ts';
import type { Config } from './config.ts';
import { Capacity } from './directory/capacity.ts';
import { examine } from './doctor/doctor.ts';
import { armFailpoint } from './failpoint.ts';
import { createServer } from './http/server.ts';
import type { SiteDoor } from './http/site-door.ts';
import { type WebhookDoor, webhookRoutes } from './http/webhook-routes.ts';
import type { Logger } from './logger.ts';
import { openChannels } from './notify/channels.ts';
import { opsSiteOf } from './ops/ops-site.ts';
import { registerOps } from './ops/routes.ts';
import { Secrets } from './provisioning/secrets.ts';
import { checkDurability, connectRedis, redisReady } from './redis.ts';
import type { Telemetry } from './telemetry.ts';

/** Runs get this long to end by themselves after a stop was asked for; the platform's patience is usually 60 s. */
const RUN_GRACE_MS = 20_000;
/** A queue library that waits for a Redis which is gone is not waited for longer than this beyond the grace. */
const CLOSE_MARGIN_MS = 5_000;

export interface App {
  server: ReturnType<typeof createServer>;
  sites: Site[];
  /** Make first contact with Maxio and begin to work. After listening: a process that cannot listen must not leave a call behind it. */
  begin(): void;
  /** Look at once whether secrets have changed in their files. */
  reread(): Promise<void>;
  /** Take no more requests and bells, end what is at work, close the connections. */
  close(): Promise<void>;
}

export interface AppParts {
  config: Config;
  logger: Logger;
  telemetry: Telemetry;
  /** Reads the configuration anew, for secrets that change while the process runs; absent: they do not. @throws ConfigError */
  reread?: () => Config;
}

/** Build and start a process of the given role; the caller listens with {@link App.server}. @throws when Redis cannot be reached */
export async function startApp({ config, logger, telemetry, reread = () => config }: AppParts): Promise<App> {
  if (config.failpoint !== undefined) armFailpoint(config.failpoint);
  const commands = connectRedis(config.redisUrl, 'commands', logger);
  const queue = connectRedis(config.redisUrl, 'queue', logger);
  await Promise.all([redisReady(commands, 30_000), redisReady(queue, 30_000)]);
  const capacity = new Capacity(commands, () => checkDurability(commands, config.redisDurability));
  await capacity.start();
  for (const finding of capacity.findings) logger.warn({ finding }, 'Redis is not set up to keep every acknowledged change');

  const connections = [commands, queue];
  const connectWorker = (): typeof commands => {
    const connection = connectRedis(config.redisUrl, 'worker', logger);
    connections.push(connection);
    return connection;
  };
  const works = config.role !== 'api';
  const vital = { draining: false, beatMs: performance.now(), works };
  const channels = openChannels(config.notify);
  const wording = { names: config.notify.names, opsUrl: `${config.publicUrl}/ops` };
  const sites = config.sites.map(
    (site, at) =>
      new Site({
        site,
        commands,
        queue,
        connectWorker,
        backlogLimit: config.backlogLimit,
        logger,
        telemetry,
        beat: () => {
          vital.beatMs = performance.now();
        },
        channels,
        wording,
        config,
        // Redis is the same for all sites, so one of them tells of it.
        ...(at === 0 ? { redisState: () => capacity } : {}),
      }),
  );
  // Before anybody can ask: that somebody is not there is said only by data which is whole. Where Redis does not answer, first contact does it.
  await Promise.all(sites.map(({ census }) => census.take().catch(() => undefined)));
  const doors = config.role === 'worker' ? [] : await openDoors(sites, capacity);
  const server = createServer({ config, logger, telemetry, sites: doors, leaving: () => vital.draining });
  await server.register(webhookRoutes, {
    doors: config.role === 'worker' ? [] : sites.flatMap(webhookDoorOf),
    onAnswer: (site, answer) => telemetry.webhooks.inc({ site, answer }),
  });
  const doctor = () => examine({ config, redis: commands, sites });
  await registerOps(server, { config, commands, capacity, vital, telemetry, logger, doctor, sites: sites.map(opsSiteOf) });
  const secrets = new Secrets({ reread, sites, signingKey: config.oauth.signingKey, ops: config, logger });
  return {
    server,
    sites,
    begin() {
      for (const site of sites) site.start(works);
      secrets.start();
    },
    reread: () => secrets.look(),
    async close() {
      vital.draining = true;
      secrets.close();
      await sleep(config.shutdownDelaySeconds * 1_000);
      const served = server.close();
      const ended = Promise.all([served, ...sites.map((site) => site.close(RUN_GRACE_MS, served))]);
      await Promise.race([ended, sleep(RUN_GRACE_MS + CLOSE_MARGIN_MS, undefined, { ref: false })]);
      capacity.close();
      await Promise.all(channels.map((channel) => channel.close()));
      // Whatever was sent has been answered or given up by now; BullMQ leaves connections that it was handed to us.
      for (const connection of connections) connection.disconnect();
    },
  };
}

/** Tokens are read before anybody can ask: one that is not known yet must not be called wrong. */
async function openDoors(sites: Site[], capacity: Capacity): Promise<SiteDoor[]> {
  await Promise.all(sites.flatMap(({ tokens, clients }) => [tokens.book.start(), clients.book.start()]));
  return sites.map((site) => doorOf(site, capacity));
}

/** What the HTTP edge may know of a site. */
function doorOf({ config, users, groups, gate, clients, tokens: { book } }: Site, capacity: Capacity): SiteDoor {
  const { key, idp, scimToken: token, scimTokenExpires: tokenExpires } = config;
  return {
    key,
    idp,
    token,
    tokenExpires,
    book,
    clients: clients.book,
    gate,
    users,
    groups,
    accepting: (leaving) => capacity.accepting(leaving),
  };
}

/** Sites without a shared key have no door for webhooks. */
function webhookDoorOf({ config, watch }: Site): WebhookDoor[] {
  if (config.webhookKey === undefined) return [];
  return [{ key: config.key, accept: (raw, signature) => watch.touch.accept(raw, signature) }];
}
