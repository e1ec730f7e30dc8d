/**
 * Owns putting a sandbox together: one Maxio site in memory, on one loopback port, with its control plane beside it.
 * Refuses to be durable or shared: it is for the demo, for tests and for trying things out, and forgets everything when it ends.
 */
import { buildCatalogue, buildPricePoints, defaultProducts, type ProductSpec } from './catalogue.ts';
import { Clock, formatMoment } from './clock.ts';
import { addControl } from './control.ts';
import { Delays } from './delays.ts';
import type { Premises } from './exchange.ts';
import { Faults } from './faults.ts';
import { Journal } from './journal.ts';
import { Ledger } from './ledger.ts';
import { SandboxState } from './sandbox-state.ts';
import { buildServer } from './server.ts';
import { defaultSettings, type Settings, settingsSchema } from './settings.ts';
import type { Site } from './site.ts';
import { Slots } from './slots.ts';
import { Store } from './store.ts';
import { leaveTraces, writeMessage } from './traces.ts';
import { WebhookLog } from './webhook-log.ts';
import { WebhookSender } from './webhook-sender.ts';

export interface SandboxOptions {
  /** Default 0: any free one. */
  port?: number;
  /** Default 127.0.0.1. */
  host?: string;
  apiKey?: string;
  subdomain?: string;
  siteId?: number;
  /** Whether this is a test site, where purging is possible; default true. */
  test?: boolean;
  /** Begins the random choices of faults. */
  seed?: number;
  products?: readonly ProductSpec[];
  settings?: Partial<Settings>;
  logger?: boolean;
}

export interface Sandbox {
  /** Without a trailing slash. */
  readonly url: string;
  readonly apiKey: string;
  readonly subdomain: string;
  readonly state: SandboxState;
  /** Cuts every connection and ends all work that is under way. */
  close(): Promise<void>;
}

const CATALOGUE_FROM_MS = Date.UTC(2024, 0, 15, 17);

/** Starts a sandbox and answers when it is listening. Throws when the port is taken, or ZodError for an unknown setting. */
export async function createSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const settings = settingsSchema.parse({ ...defaultSettings, ...options.settings });
  const specs = options.products ?? defaultProducts;
  const builtAt = formatMoment(CATALOGUE_FROM_MS, settings.utcOffsetMinutes);
  const products = buildCatalogue(specs, builtAt);
  const site: Site = {
    store: new Store(
      (reference) => (settings.caseInsensitiveReference ? reference.toLowerCase() : reference),
      (change) => leaveTraces(site, change),
    ),
    journal: new Journal(),
    webhooks: new WebhookLog(
      () => sender.wake(),
      (id, event, change) => writeMessage(site, id, event, change),
    ),
    clock: new Clock(),
    settings,
    products,
    pricePoints: buildPricePoints(specs, products, builtAt),
    id: options.siteId ?? 1,
    subdomain: options.subdomain ?? 'acme',
    test: options.test ?? true,
    apiKey: options.apiKey ?? 'sandbox-key',
  };
  const delays = new Delays();
  const sender = new WebhookSender(site);
  const premises: Premises = {
    site,
    ledger: new Ledger(),
    faults: new Faults(options.seed ?? 1),
    slots: new Slots(() => settings),
    delays,
    sender,
    epoch: 0,
    passedMs: 0,
  };
  const state = new SandboxState(premises);
  const app = buildServer(premises, options.logger ?? false);
  addControl(app, state);
  const url = await app.listen({ port: options.port ?? 0, host: options.host ?? '127.0.0.1' });
  return {
    url,
    apiKey: site.apiKey,
    subdomain: site.subdomain,
    state,
    close: async () => {
      delays.close();
      sender.close();
      await app.close();
    },
  };
}
