/**
 * Owns how the store of a site is opened: what it is told of the configuration, and where it says what an operator should know.
 * Refuses to know who uses it (app-site.ts).
 */
import type { Redis } from 'ioredis';
import type { SiteConfig } from '../config.ts';
import type { Logger } from '../logger.ts';
import type { Telemetry } from '../telemetry.ts';
import { newerReleaseAt } from './newer-release.ts';
import { Store } from './store.ts';

export interface StoreParts {
  site: SiteConfig;
  commands: Redis;
  backlogLimit: number;
  logger: Logger;
  telemetry: Telemetry;
}

export function openStore({ site, commands, backlogLimit, logger, telemetry }: StoreParts): Store {
  return new Store(commands, site.key, {
    backlogLimit,
    guard: site.guard,
    onTrip: (why) => {
      telemetry.guardTrips.inc({ site: site.key, guard: why });
      logger.warn({ site: site.key, guard: why }, 'the guard holds leavers until an operator decides');
    },
    onNewer: (schema) => logger.error({ site: site.key }, newerReleaseAt(site.key, schema)),
  });
}
