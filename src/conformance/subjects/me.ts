/**
 * Owns the checks of /Me. RFC 7644 §3.11.
 */
import { must, READS, type Subject } from '../check.ts';
import { expectErrorForm, expectHeader, expectStatus } from '../expect.ts';

export const ME: Subject = {
  name: 'me',
  title: 'The authenticated subject (/Me)',
  checks: [
    must(
      'me-answers',
      '7644 §3.11',
      '/Me is 501, or a redirect with 308, or the resource itself; 404 when the caller is nobody in the directory.',
      async (t) => {
        const answer = await t.get('/Me');
        expectStatus(answer, 200, 308, 404, 501);
        if (answer.status === 308) expectHeader(answer, 'Location');
      },
      READS,
    ),
    must(
      'me-location',
      '7644 §3.11',
      'Where /Me is served, it tells the permanent address; where it is not, it is a SCIM error.',
      async (t) => {
        const answer = await t.get('/Me');
        if (answer.status < 400) expectHeader(answer, 'Location');
        else expectErrorForm(answer);
      },
      READS,
    ),
  ],
};
