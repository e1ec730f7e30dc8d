/**
 * Owns the checks of authentication: who is turned away, and how they are told. RFC 7644 §2, §3.12; RFC 9110 §11, §15.5.2; RFC 6750 §3.
 */
import { must, READS, type Subject, should } from '../check.ts';
import { expectEqual, expectErrorForm, expectHeader, expectList, expectStatus, expectThat } from '../expect.ts';
import { at } from '../json.ts';

const WRONG = 'not-a-token-of-this-server';

export const AUTHENTICATION: Subject = {
  name: 'authentication',
  title: 'Authentication',
  checks: [
    must(
      'auth-none',
      '7644 §2',
      'A request for people without credentials is refused with 401.',
      async (t) => expectStatus(await t.get('/Users', {}, { token: null }), 401),
      READS,
    ),
    must(
      'auth-wrong',
      '7644 §2',
      'A request with a token that is not right is refused with 401.',
      async (t) => expectStatus(await t.get('/Users', {}, { token: WRONG }), 401),
      READS,
    ),
    must(
      'auth-empty-scheme',
      '7644 §2',
      'An Authorization header with a scheme and no credentials is refused, not obeyed.',
      async (t) => {
        const answer = await t.get('/Users', {}, { token: null, headers: { authorization: 'Bearer ' } });
        expectThat(answer, answer.status === 401 || answer.status === 400, 'status 401 or 400', `status ${answer.status}`);
      },
      READS,
    ),
    must(
      'auth-right',
      '7644 §2',
      'A request with the right token in the Authorization header is served.',
      async (t) => void expectList(await t.get('/Users', { count: 1 })),
      READS,
    ),
    must(
      'auth-scheme-case',
      '9110 §11.1',
      'The name of the authentication scheme is compared without regard to case.',
      async (t) => {
        const authorization = `bEARER ${t.world.client.token}`;
        expectStatus(await t.get('/Users', { count: 1 }, { token: null, headers: { authorization } }), 200);
      },
      READS,
    ),
    must(
      'auth-challenge',
      '7644 §2',
      'A 401 names the accepted schemes in WWW-Authenticate.',
      async (t) => void expectHeader(await t.get('/Users', {}, { token: null }), 'WWW-Authenticate'),
      READS,
    ),
    must(
      'auth-error-form',
      '7644 §3.12',
      'A 401 has the body of a SCIM error.',
      async (t) => expectErrorForm(await t.get('/Users', {}, { token: WRONG })),
      READS,
    ),
    must('auth-write', '7644 §2', 'A create without credentials is refused, and creates nobody.', async (t) => {
      const body = t.userBody('stranger');
      const answer = await t.send('POST', '/Users', body, { token: null });
      expectStatus(answer, 401);
      t.needs('filter');
      const list = expectList(await t.get('/Users', { filter: `userName eq "${String(body.userName)}"` }));
      expectEqual(list.answer, 'totalResults', list.total, 0);
    }),
    should(
      'auth-before-existence',
      '7644 §7.5.1',
      'Without credentials nobody learns whether an id exists: an unknown one is 401, too.',
      async (t) => expectStatus(await t.get(`/Users/${t.world.creations.nobody()}`, {}, { token: null }), 401),
      READS,
    ),
    should(
      'auth-before-body',
      '7644 §2',
      'Credentials come before the body: without them a malformed body is 401, not 400.',
      async (t) => expectStatus(await t.send('POST', '/Users', '{"userName":', { token: null }), 401),
    ),
    should(
      'auth-schemes-open',
      '7643 §5',
      'The authentication schemes can be read before a client has credentials.',
      async (t) => {
        const answer = await t.get('/ServiceProviderConfig', {}, { token: null });
        expectStatus(answer, 200);
        const schemes = at(answer.body, 'authenticationSchemes');
        expectThat(answer, Array.isArray(schemes) && schemes.length > 0, 'authenticationSchemes', schemes);
      },
      READS,
    ),
  ],
};
