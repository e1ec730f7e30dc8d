/**
 * Owns the command `npm run simulate`: it puts the model of BullMQ in the place of the package, for this thread, and begins. Refuses everything else.
 */
import { registerHooks } from 'node:module';

const model = new URL('./bullmq.ts', import.meta.url).href;
registerHooks({
  resolve: (specifier, context, next) => (specifier === 'bullmq' ? { url: model, shortCircuit: true } : next(specifier, context)),
});
const { simulate } = await import('./simulate.ts');
await simulate(new URL(import.meta.url));
