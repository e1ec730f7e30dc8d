/**
 * Owns `npm run conformance:write`: starts our own server, runs every check against it, and writes docs/conformance.md.
 * Exits with 1 when a MUST is not met; the page is written all the same, since it says which.
 */
import { writeFileSync } from 'node:fs';
import { human, isMet, painter } from '../../src/conformance/human.ts';
import { run } from '../../src/conformance/run.ts';
import { SUBJECTS } from '../../src/conformance/subjects.ts';
import { startOurServer } from './our-server.ts';
import { PAGE, pageOf } from './page.ts';

const our = await startOurServer();
try {
  const report = await run({ url: our.url, token: our.token, timeoutMs: 30_000, subjects: SUBJECTS });
  writeFileSync(PAGE, pageOf(report, SUBJECTS));
  console.log(human(report, SUBJECTS, painter(process.stdout), false));
  process.exitCode = isMet(report) ? 0 : 1;
} finally {
  await our.stop();
}
