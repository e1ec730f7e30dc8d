/**
 * Owns the service process: configuration in, exit code out, signals in between. `ROLE` says whether it answers SCIM, works the queue, or both.
 * SIGHUP: secrets are read again from their files. Refuses to construct (app.ts). An unexpected rejection ends the process: a supervisor restarts it, and
 * nothing acknowledged is in memory only.
 */
import closeWithGrace from 'close-with-grace';
import { type App, startApp } from './app.ts';
import { type Config, ConfigError, readConfig, secretsOf } from './config.ts';
import { createLogger } from './logger.ts';
import { createTelemetry } from './telemetry.ts';

/** sysexits.h EX_CONFIG: a supervisor need not restart what only an edit can cure. */
const EXIT_CONFIG = 78;
/** Within the usual 60 s that a platform waits before it kills. */
const CLOSE_MS_MAX = 55_000;

function configOrExit(): Config {
  try {
    return readConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    process.exit(EXIT_CONFIG);
  }
}

const config = configOrExit();
const logger = createLogger({ level: config.logLevel, secrets: secretsOf(config), base: { role: config.role } });
const telemetry = createTelemetry({ version: config.version });
let app: App | undefined;

closeWithGrace({ delay: CLOSE_MS_MAX, logger: false, skip: ['SIGHUP'] }, async ({ err, signal }) => {
  if (err) logger.fatal({ err }, 'the process ends because of an unexpected error');
  else logger.info({ signal }, 'stopping: no new work, ending what is at work');
  await app?.close();
  logger.info('stopped');
});

// Before the start, or one that comes too early would end the process.
process.on('SIGHUP', () => void app?.reread());
app = await startApp({ config, logger, telemetry, reread: readConfig });
const address = await app.server.listen({ host: config.host, port: config.port }).catch((error: NodeJS.ErrnoException) => {
  if (error.code !== 'EADDRINUSE') throw error;
  console.error(`Port ${config.port} is in use. Stop what listens there, or set PORT to another one.`);
  process.exit(1);
});
app.begin();
logger.info(
  {
    address,
    ...(config.role === 'worker' ? {} : { scim: `${config.publicUrl}/scim/v2` }),
    sites: config.sites.map(({ key }) => key),
    version: config.version,
  },
  'listening',
);
