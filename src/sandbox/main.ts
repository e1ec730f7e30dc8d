/**
 * Owns `npm run sandbox`: one sandbox on a fixed port, with the lines to try it, until Ctrl-C.
 * Refuses to do more: the demo starts its own sandbox, and tests start theirs.
 */
import closeWithGrace from 'close-with-grace';
import { readSandboxPort } from '../config.ts';
import { createSandbox } from './sandbox.ts';

const sandbox = await createSandbox({ port: readSandboxPort() });
const json = "-H 'content-type: application/json'";
const customer = '{"customer":{"first_name":"Ann","last_name":"Lee","email":"ann@example.com","reference":"ann-1"}}';
const fault = '{"match":{"method":"POST","path":"/customers.json"},"kind":"commit-then-drop","times":1}';

console.log(`A local Maxio Advanced Billing site, in memory. It is not Maxio, and it forgets everything when it ends.

  Address  ${sandbox.url}
  API key  ${sandbox.apiKey}   (HTTP Basic: the key is the user name, any password)
  Control  ${sandbox.url}/__sandbox/   reset, seed, clock, faults, settings, staff, events, webhooks, ledger, state, stats

Try it:

  curl -u ${sandbox.apiKey}:x ${json} -d '${customer}' ${sandbox.url}/customers.json
  curl -u ${sandbox.apiKey}:x '${sandbox.url}/customers/lookup.json?reference=ann-1'
  curl ${sandbox.url}/__sandbox/state
  curl ${sandbox.url}/__sandbox/ledger
  curl ${json} -d '${fault}' ${sandbox.url}/__sandbox/faults

Ctrl-C ends it.`);

closeWithGrace({ delay: 2_000 }, () => sandbox.close());
