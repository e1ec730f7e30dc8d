/**
 * Owns the control plane: reset, seed, clock, faults, settings, key, staff edits, events, webhooks, ledger, state and numbers, for programs that are
 * not in this process.
 * Refuses to appear under a Maxio path or in the ledger, and takes JSON only, so that a web page cannot post to it by a form.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { UNREADABLE } from './exchange.ts';
import { type Fault, faultSchema } from './faults.ts';
import type { SandboxState } from './sandbox-state.ts';
import { seedSchema } from './seed.ts';
import { CONTROL_PREFIX } from './server.ts';
import { settingsSchema } from './settings.ts';
import { staffSchema } from './staff.ts';

const clockSchema = z.union([
  z.strictObject({ advanceSeconds: z.number().min(0) }),
  z.strictObject({ set: z.union([z.number(), z.iso.datetime({ offset: true })]) }),
]);
const sinceSchema = z.object({ since: z.coerce.number().min(0).default(0) });
const windowSchema = z.object({ windowMs: z.coerce.number().positive().optional() });

const keySchema = z.strictObject({ apiKey: z.string().min(1) });
const listenSchema = z.strictObject({ url: z.url(), keys: z.array(z.string()).optional() });

class Misuse extends Error {}

/** Reads a body by its schema. Throws Misuse, which becomes a 400, when it does not fit. */
function read<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  if (value === undefined || value === UNREADABLE) throw new Misuse('send a JSON body with content-type: application/json');
  const read = schema.safeParse(value);
  if (!read.success) throw new Misuse(z.prettifyError(read.error));
  return read.data;
}

/** Runs a step whose refusal is the caller's mistake, such as a clock moved back. */
function attempt<T>(step: () => T): T {
  try {
    return step();
  } catch (err) {
    throw new Misuse(err instanceof Error ? err.message : 'refused');
  }
}

/** Adds the control plane to a server. */
export function addControl(app: FastifyInstance, state: SandboxState): void {
  const numbers = (request: FastifyRequest) => state.stats(read(windowSchema, request.query).windowMs);
  app.register(
    async (control) => {
      control.setErrorHandler(async (err, _request, reply) => {
        if (!(err instanceof Misuse)) throw err;
        return reply.code(400).send({ error: err.message });
      });
      control.post('/reset', async () => {
        state.reset();
        return { ok: true };
      });
      control.post('/seed', async (request) => {
        const seed = read(seedSchema, request.body);
        return attempt(() => state.seed(seed));
      });
      control.get('/clock', async () => ({ now: state.now().toISOString() }));
      control.post('/clock', async (request) => {
        const move = read(clockSchema, request.body);
        attempt(() => ('set' in move ? state.setClock(new Date(move.set)) : state.advance(move.advanceSeconds)));
        return { now: state.now().toISOString() };
      });
      control.get('/faults', async () => state.faults());
      control.post('/faults', async (request) => ({ id: state.setFault(read(faultSchema, request.body) as Fault) }));
      control.delete('/faults', async () => {
        state.clearFaults();
        return { ok: true };
      });
      control.post('/release', async () => ({ released: state.release() }));
      control.get('/settings', async () => state.settings());
      control.post('/settings', async (request) => state.settings(read(settingsSchema.partial(), request.body)));
      control.post('/key', async (request) => {
        state.changeKey(read(keySchema, request.body).apiKey);
        return { ok: true };
      });
      control.get('/ledger', async (request) => state.ledger(read(sinceSchema, request.query).since));
      control.delete('/ledger', async () => {
        state.clearLedger();
        return { ok: true };
      });
      control.get('/state', async () => ({
        now: state.now().toISOString(),
        customers: state.customers(),
        subscriptions: state.subscriptions(),
      }));
      addStaff(control, state);
      control.get('/stats', async (request) => numbers(request));
    },
    { prefix: CONTROL_PREFIX },
  );
}

/** Adds what staff do, and what is told of it to those who listen. */
function addStaff(control: FastifyInstance, state: SandboxState): void {
  control.post('/staff', async (request) => {
    const edit = read(staffSchema, request.body);
    return attempt(() => state.staff(edit));
  });
  control.get('/events', async () => state.events());
  control.get('/webhooks', async () => state.webhooks());
  control.post('/webhooks/endpoints', async (request) => {
    const { url, keys } = read(listenSchema, request.body);
    return state.listen(url, keys);
  });
  control.post('/webhooks/deliver', async () => ({ attempts: await state.deliverWebhooks() }));
}
