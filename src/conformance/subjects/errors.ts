/**
 * Owns the checks of the form of errors, whatever they are about. RFC 7644 §3.12.
 */
import { must, READS, type Subject, should } from '../check.ts';
import { expectError, expectErrorForm, expectStatus, expectThat } from '../expect.ts';
import { at, textAt } from '../json.ts';

const SCIM_TYPES = [
  'invalidFilter',
  'tooMany',
  'uniqueness',
  'mutability',
  'invalidSyntax',
  'invalidPath',
  'noTarget',
  'invalidValue',
  'invalidVers',
  'sensitive',
  'invalidCursor',
  'expiredCursor',
  'invalidCount',
];

export const ERRORS: Subject = {
  name: 'errors',
  title: 'The form of errors',
  checks: [
    must(
      'error-form-404',
      '7644 §3.12',
      'A 404 for a resource has the error schema, and the status as a text.',
      async (t) => {
        const answer = await t.get(`/Users/${t.world.creations.nobody()}`);
        expectStatus(answer, 404);
        expectErrorForm(answer);
      },
      READS,
    ),
    must(
      'error-form-endpoint',
      '7644 §3.12',
      'An endpoint that does not exist is 404 in the same form.',
      async (t) => {
        const answer = await t.get(`/${t.prefix}nothing`);
        expectStatus(answer, 404);
        expectErrorForm(answer);
      },
      READS,
    ),
    must('error-form-400', '7644 §3.12', 'A 400 has the same form.', async (t) => {
      const answer = await t.send('POST', '/Users', '{"schemas":');
      expectStatus(answer, 400);
      expectErrorForm(answer);
    }),
    must('error-form-409', '7644 §3.12', 'A 409 has the same form.', async (t) => {
      const user = await t.user();
      const answer = await t.send('POST', '/Users', t.userBody('again', { userName: user.name }));
      expectStatus(answer, 409);
      expectErrorForm(answer);
    }),
    must('error-type-known', '7644 §3.12', 'A scimType is one of the words that the RFCs define.', async (t) => {
      const answers = [
        await t.send('POST', '/Users', '[]'),
        await t.send('POST', '/Users', t.userBody('x', { userName: undefined })),
      ];
      for (const answer of answers) {
        const type = at(answer.body, 'scimType');
        expectThat(answer, type === undefined || SCIM_TYPES.includes(String(type)), `one of ${SCIM_TYPES.join(', ')}`, type);
      }
    }),
    should(
      'error-detail',
      '7644 §3.12',
      'An error says in words what is wrong.',
      async (t) => {
        const answer = await t.get(`/Users/${t.world.creations.nobody()}`);
        expectThat(answer, textAt(answer.body, 'detail') !== '', 'a detail', at(answer.body, 'detail'));
      },
      READS,
    ),
    must('error-malformed', '7644 §3.12', 'Malformed JSON is 400 invalidSyntax.', async (t) => {
      expectError(await t.send('POST', '/Users', '{"userName": "x"'), 400, 'invalidSyntax');
    }),
    must('error-no-object', '7644 §3.12', 'A body that is no JSON object is 400 invalidSyntax.', async (t) => {
      expectError(await t.send('POST', '/Users', '[1, 2]'), 400, 'invalidSyntax');
    }),
    must('error-empty-body', '7644 §3.3', 'A create without a body is 400.', async (t) => {
      expectError(await t.send('POST', '/Users', ''), 400);
    }),
  ],
};
