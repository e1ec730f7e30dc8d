/**
 * Owns the checks of HTTP itself: media types, character set, methods and paths. Errors are a subject of their own.
 * RFC 7644 §3.1, §3.8, §3.12, §3.13; RFC 9110 §9.3.2, §15.5.6.
 */
import { type Check, may, must, READS, type Subject, should } from '../check.ts';
import type { Answer } from '../client.ts';
import {
  expectEqual,
  expectError,
  expectHeader,
  expectList,
  expectObject,
  expectRefused,
  expectStatus,
  expectThat,
  NotOffered,
} from '../expect.ts';
import { at, textAt } from '../json.ts';
import type { Trial } from '../trial.ts';

function expectScimMedia(answer: Answer): void {
  const type = expectHeader(answer, 'Content-Type');
  expectThat(answer, /^application\/scim\+json\s*(?:;|$)/i.test(type), 'Content-Type application/scim+json', type);
}

/** Asks for a list with a certain Accept header. */
function accepts(id: string, grade: typeof must, header: string | null, says: string, look: (answer: Answer) => void): Check {
  return grade(
    id,
    '7644 §3.8',
    says,
    async (t) => {
      const answer = await t.get('/Users', { count: 1 }, { headers: { accept: header } });
      expectList(answer);
      look(answer);
    },
    READS,
  );
}

function expectJson(answer: Answer): void {
  const type = expectHeader(answer, 'Content-Type');
  expectThat(
    answer,
    /^application\/(?:scim\+)?json\s*(?:;|$)/i.test(type),
    'Content-Type application/scim+json or application/json',
    type,
  );
}

const MEDIA: Check[] = [
  accepts(
    'media-list',
    must,
    'application/scim+json',
    'A list is application/scim+json when that is asked for.',
    expectScimMedia,
  ),
  accepts('media-default', must, null, 'Without Accept the answer is application/scim+json.', expectScimMedia),
  accepts('media-any', should, '*/*', 'Accept */* is served.', expectJson),
  accepts('media-json', should, 'application/json', 'Accept application/json is served.', expectJson),
  accepts(
    'media-quality',
    should,
    'application/json;q=0.5, application/scim+json, text/html;q=0.1',
    'An Accept header with several types and weights is served.',
    expectJson,
  ),
  must('media-resource', '7644 §3.8', 'A resource is application/scim+json.', async (t) => {
    const user = await t.user();
    expectScimMedia(user.answer);
    expectScimMedia(await t.get(user.path));
  }),
  must(
    'media-error',
    '7644 §3.12',
    'An error is application/scim+json, too.',
    async (t) => {
      const answer = await t.get(`/Users/${t.world.creations.nobody()}`);
      expectRefused(answer);
      expectScimMedia(answer);
    },
    READS,
  ),
  must('media-charset', '7644 §3.8', 'A body sent with charset=utf-8 is read.', async (t) => {
    const headers = { 'content-type': 'application/scim+json; charset=utf-8' };
    expectStatus(await t.send('POST', '/Users', t.userBody('charset'), { headers }), 201);
  }),
  should('media-json-body', '7644 §3.8', 'A body sent as application/json is read.', async (t) => {
    expectStatus(await t.send('POST', '/Users', t.userBody('json'), { headers: { 'content-type': 'application/json' } }), 201);
  }),
  should('media-other-body', '9110 §15.5.16', 'A body that is no JSON by its Content-Type is refused with 415.', async (t) => {
    expectError(await t.send('POST', '/Users', t.userBody('text'), { headers: { 'content-type': 'text/csv' } }), [415, 400]);
  }),
  must('media-utf8', '7644 §3.8', 'Text beyond ASCII comes back as it was sent.', async (t) => {
    const text = 'Zoë Ångström 王小明 ﷽ 🦉';
    const user = await t.user({ displayName: text });
    const answer = await t.get(user.path);
    expectEqual(answer, 'displayName', at(answer.body, 'displayName'), text);
  }),
  should(
    'media-nothing-with-get',
    '7644 §3.8',
    'A GET is served with a Content-Type header, too, though it has no body.',
    async (t) => expectStatus(await t.get('/Users', { count: 1 }, { headers: { 'content-type': 'application/scim+json' } }), 200),
    READS,
  ),
];

async function expectNoFault(t: Trial, path: string): Promise<void> {
  const answer = await t.send('GET', path);
  expectThat(answer, answer.status < 500, 'no 5xx', `status ${answer.status}`);
}

const METHODS: Check[] = [
  should(
    'http-head',
    '9110 §9.3.2',
    'HEAD answers like GET, without a body.',
    async (t) => {
      const answer = await t.send('HEAD', '/Users?count=1');
      expectStatus(answer, 200);
      expectEqual(answer, 'an empty body', answer.text, '');
    },
    READS,
  ),
  must(
    'http-405',
    '9110 §15.5.6',
    'A method that an endpoint does not have is refused, and a 405 names those that it has in Allow.',
    async (t) => {
      const answer = await t.send('PUT', '/ResourceTypes', {});
      expectThat(answer, [404, 405, 501].includes(answer.status), 'status 405, 501 or 404', `status ${answer.status}`);
      if (answer.status === 405)
        expectThat(answer, /\bGET\b/.test(expectHeader(answer, 'Allow')), 'Allow with GET', answer.headers.allow ?? '');
    },
  ),
  should(
    'http-405-before-body',
    '9110 §15.5.6',
    'A method that is not allowed is refused before its body is read.',
    async (t) => {
      const answer = await t.send('POST', '/Schemas', '{"broken');
      expectThat(answer, [404, 405, 501].includes(answer.status), 'status 405, 501 or 404', `status ${answer.status}`);
    },
  ),
  should(
    'http-trailing-slash',
    '7644 §3.2',
    '/Users/ is /Users.',
    async (t) => void expectList(await t.get('/Users/', { count: 1 })),
    READS,
  ),
  should(
    'http-unknown-parameter',
    '7644 §3.4.2',
    'Query parameters that mean nothing are ignored.',
    async (t) => void expectList(await t.get('/Users', { count: 1, aadOptscim062020: '', [`${t.world.run}`]: 'x' })),
    READS,
  ),
  must(
    'http-bad-encoding',
    '9110 §15.5.1',
    'A path with broken percent-encoding is the client’s fault, never a 5xx.',
    async (t) => expectRefused(await t.send('GET', '/Users/%ZZ%C3')),
    READS,
  ),
  must(
    'http-strange-id',
    '9110 §15.6.1',
    'Strange ids find nothing and break nothing.',
    async (t) => {
      for (const id of ['%00', '%2e%2e%2fGroups', "'%20or%20'1'%3D'1", '*', '__proto__', 'x'.repeat(2_000)])
        await expectNoFault(t, `/Users/${id}`);
    },
    READS,
  ),
  must(
    'http-repeated-parameter',
    '9110 §15.6.1',
    'A repeated query parameter breaks nothing.',
    async (t) => expectNoFault(t, '/Users?count=1&count=2&startIndex=1&startIndex=x'),
    READS,
  ),
  may(
    'http-version',
    '7644 §3.13',
    'Another version in the path is refused, not served as this one.',
    async (t) => {
      const { client } = t.world;
      if (!client.url.endsWith('/v2')) throw new NotOffered('the base URL does not end in /v2');
      const answer = await t.send('GET', '/../v9/Users');
      expectThat(answer, answer.status >= 400, 'a refusal', `status ${answer.status}`);
    },
    READS,
  ),
  may(
    'http-no-store',
    '7644 §7.5',
    'Answers about people are not for caches: Cache-Control says no-store, no-cache or private.',
    async (t) => {
      const answer = await t.get('/Users', { count: 1 });
      const value = answer.headers['cache-control'] ?? '';
      expectThat(
        answer,
        /no-store|no-cache|private/.test(value),
        'Cache-Control no-store, no-cache or private',
        value === '' ? 'none' : value,
      );
    },
    READS,
  ),
  must(
    'http-options',
    '7644 §2',
    'OPTIONS without credentials tells nothing about people.',
    async (t) => {
      const answer = await t.send('OPTIONS', '/Users', undefined, { token: null });
      expectThat(answer, at(answer.body, 'Resources') === undefined, 'no resources', at(answer.body, 'Resources'));
    },
    READS,
  ),
  should(
    'http-location-absolute',
    '7643 §3.1',
    'meta.location is an absolute URI at which the resource can be read.',
    async (t) => {
      const user = await t.user();
      const location = textAt(expectObject(user.answer, 201), 'meta', 'location');
      expectThat(
        user.answer,
        URL.canParse(location) && location.endsWith(user.path),
        `an absolute URI ending in ${user.path}`,
        location,
      );
    },
  ),
];

export const HTTP: Subject = { name: 'http', title: 'HTTP and media types', checks: [...MEDIA, ...METHODS] };
