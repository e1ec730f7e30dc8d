/**
 * Owns the checks of bulk requests. RFC 7644 §3.7.
 */
import { type Check, must, type Subject, should } from '../check.ts';
import type { Answer } from '../client.ts';
import { expectEqual, expectError, expectObject, expectStatus, expectThat, NotOffered } from '../expect.ts';
import { at, type JsonObject, objectsAt, textAt } from '../json.ts';
import type { Trial } from '../trial.ts';
import { BULK_REQUEST_URN, BULK_RESPONSE_URN, ENTERPRISE_URN, PATCH_URN, USER_URN } from '../urns.ts';

interface BulkAnswer {
  answer: Answer;
  rows: JsonObject[];
}

/** Sends operations and expects the whole to be answered. */
async function bulk(t: Trial, Operations: JsonObject[], more: JsonObject = {}): Promise<BulkAnswer> {
  const answer = await t.send('POST', '/Bulk', { schemas: [BULK_REQUEST_URN], ...more, Operations });
  const body = expectObject(answer);
  expectThat(
    answer,
    Array.isArray(body.schemas) && body.schemas.includes(BULK_RESPONSE_URN),
    `schemas ["${BULK_RESPONSE_URN}"]`,
    body.schemas,
  );
  return { answer, rows: objectsAt(body, 'Operations') };
}

function create(t: Trial, bulkId: string, more: JsonObject = {}): JsonObject {
  return { method: 'POST', path: '/Users', bulkId, data: t.userBody('bulk', more) };
}

/** The path below the base URL of what an operation made. */
function pathOf({ answer, rows }: BulkAnswer, at: number): string {
  const [path] = /\/(?:Users|Groups)\/[^/]+$/.exec(textAt(rows[at], 'location')) ?? [];
  expectThat(answer, path !== undefined, 'a location', rows[at]);
  return path ?? '';
}

const statusOf = (row: JsonObject | undefined): string => String(at(row, 'status', 'code') ?? at(row, 'status'));

const WORKS: Check[] = [
  must('bulk-create', '7644 §3.7', 'Each operation is answered with its own status: 201 for a create.', async (t) => {
    const done = await bulk(t, [create(t, 'one'), create(t, 'two')]);
    expectEqual(done.answer, 'the statuses', done.rows.map(statusOf), ['201', '201']);
    expectStatus(await t.get(pathOf(done, 0)), 200);
  }),
  must('bulk-status-text', '7644 §3.7', 'The status of an operation is a text.', async (t) => {
    const { answer, rows } = await bulk(t, [create(t, 'one')]);
    expectEqual(answer, 'status', rows[0]?.status, '201');
  }),
  must('bulk-echo', '7644 §3.7', 'method and bulkId of an operation come back.', async (t) => {
    const { answer, rows } = await bulk(t, [create(t, 'qwerty')]);
    expectEqual(answer, 'method and bulkId', [rows[0]?.method, rows[0]?.bulkId], ['POST', 'qwerty']);
  }),
  must('bulk-location', '7644 §3.7', 'What was created is told by its location, at which it can be read.', async (t) => {
    const done = await bulk(t, [create(t, 'one')]);
    const answer = await t.get(pathOf(done, 0));
    expectEqual(answer, 'meta.location', at(expectObject(answer), 'meta', 'location'), done.rows[0]?.location);
  }),
  must('bulk-change', '7644 §3.7', 'PUT, PATCH and DELETE work in a bulk request.', async (t) => {
    const [one, two, three] = [await t.user(), await t.user(), await t.user()];
    const { answer, rows } = await bulk(t, [
      { method: 'PUT', path: one.path, data: { ...one.body, displayName: 'Put' } },
      {
        method: 'PATCH',
        path: two.path,
        data: { schemas: [PATCH_URN], Operations: [{ op: 'replace', path: 'displayName', value: 'Patched' }] },
      },
      { method: 'DELETE', path: three.path },
    ]);
    expectThat(answer, ['200', '204'].includes(statusOf(rows[1])), 'status 200 or 204 for the patch', rows[1]);
    expectEqual(answer, 'the statuses of PUT and DELETE', [statusOf(rows[0]), statusOf(rows[2])], ['200', '204']);
    expectEqual(answer, 'displayName', [(await t.fresh(one)).displayName, (await t.fresh(two)).displayName], ['Put', 'Patched']);
    expectStatus(await t.get(three.path), 404);
  }),
  must(
    'bulk-reference',
    '7644 §3.7.2',
    'bulkId: stands for the id of what the same request creates.',
    async (t) => {
      const group = {
        method: 'POST',
        path: '/Groups',
        bulkId: 'team',
        data: t.groupBody('bulk', { members: [{ type: 'User', value: 'bulkId:person' }] }),
      };
      const done = await bulk(t, [create(t, 'person'), group]);
      expectEqual(done.answer, 'the statuses', done.rows.map(statusOf), ['201', '201']);
      const person = pathOf(done, 0).split('/').at(-1);
      const made = await t.get(pathOf(done, 1));
      expectEqual(
        made,
        'the members',
        objectsAt(made.body, 'members').map(({ value }) => value),
        [person],
      );
    },
    { needs: 'groups' },
  ),
  must(
    'bulk-reference-later',
    '7644 §3.7.1',
    'A reference may point to what comes later in the request.',
    async (t) => {
      const group = {
        method: 'POST',
        path: '/Groups',
        bulkId: 'team',
        data: t.groupBody('bulk', { members: [{ type: 'User', value: 'bulkId:person' }] }),
      };
      const done = await bulk(t, [group, create(t, 'person')]);
      expectEqual(done.answer, 'the statuses', done.rows.map(statusOf), ['201', '201']);
      const made = await t.get(pathOf(done, 0));
      expectEqual(
        made,
        'the members',
        objectsAt(made.body, 'members').map(({ value }) => value),
        [pathOf(done, 1).split('/').at(-1)],
      );
    },
    { needs: 'groups' },
  ),
  must(
    'bulk-circular',
    '7644 §3.7.1',
    'References that point at each other are resolved; a server that cannot says 409.',
    async (t) => {
      const managed = (by: string): JsonObject => ({
        schemas: [USER_URN, ENTERPRISE_URN],
        [ENTERPRISE_URN]: { manager: { value: `bulkId:${by}` } },
      });
      const done = await bulk(t, [create(t, 'one', managed('two')), create(t, 'two', managed('one'))]);
      if (done.rows.some((row) => statusOf(row) === '409')) return;
      expectEqual(done.answer, 'the statuses', done.rows.map(statusOf), ['201', '201']);
      const paths = [pathOf(done, 0), pathOf(done, 1)];
      const managers = await Promise.all(
        paths.map(async (path) => at(await t.fresh({ path }), ENTERPRISE_URN, 'manager', 'value')),
      );
      expectEqual(
        done.answer,
        'the managers',
        managers,
        paths.toReversed().map((path) => path.split('/').at(-1)),
      );
    },
    { needs: 'enterprise' },
  ),
  must('bulk-independent', '7644 §3.7', 'One failed operation does not keep the others from happening.', async (t) => {
    const done = await bulk(t, [create(t, 'bad', { userName: undefined }), create(t, 'good')]);
    expectEqual(done.answer, 'the statuses', done.rows.map(statusOf), ['400', '201']);
  }),
];

const FAILURES: Check[] = [
  must(
    'bulk-error',
    '7644 §3.7.3',
    'A failed operation comes with the SCIM error in response, and without location when it was a create.',
    async (t) => {
      const { answer, rows } = await bulk(t, [create(t, 'bad', { userName: undefined })]);
      expectEqual(answer, 'status', statusOf(rows[0]), '400');
      expectEqual(answer, 'response.status', at(rows[0], 'response', 'status'), '400');
      expectEqual(answer, 'location', rows[0]?.location, undefined);
    },
  ),
  must(
    'bulk-fail-on-errors',
    '7644 §3.7.3',
    'failOnErrors ends the request after so many errors; what comes after does not happen.',
    async (t) => {
      const last = create(t, 'never');
      const { answer, rows } = await bulk(t, [create(t, 'bad', { userName: undefined }), last], { failOnErrors: 1 });
      expectEqual(answer, 'the number of operations answered', rows.length, 1);
      const name = textAt(last, 'data', 'userName');
      const found = await t.get('/Users', { filter: `userName eq "${name}"` });
      expectEqual(found, 'totalResults', at(found.body, 'totalResults'), 0);
    },
  ),
  must('bulk-taken', '7644 §3.7', 'A userName that is taken is 409 for its operation.', async (t) => {
    const user = await t.user();
    const { answer, rows } = await bulk(t, [create(t, 'again', { userName: user.name })]);
    expectEqual(answer, 'status', statusOf(rows[0]), '409');
  }),
  must('bulk-unknown-id', '7644 §3.7', 'An id that nobody has is 404 for its operation.', async (t) => {
    const { answer, rows } = await bulk(t, [{ method: 'DELETE', path: `/Users/${t.world.creations.nobody()}` }]);
    expectEqual(answer, 'status', statusOf(rows[0]), '404');
  }),
  must(
    'bulk-unresolved',
    '7644 §3.7.2',
    'A reference to nothing in the request fails its operation.',
    async (t) => {
      const data = t.groupBody('bulk', { members: [{ value: 'bulkId:nobody' }] });
      const { answer, rows } = await bulk(t, [{ method: 'POST', path: '/Groups', bulkId: 'g', data }]);
      expectThat(answer, /^4\d\d$/.test(statusOf(rows[0])), 'status 4xx', rows[0]);
    },
    { needs: 'groups' },
  ),
  should('bulk-without-id', '7644 §3.7', 'A create without bulkId is refused: it could not be referred to.', async (t) => {
    const answer = await t.send('POST', '/Bulk', {
      schemas: [BULK_REQUEST_URN],
      Operations: [{ method: 'POST', path: '/Users', data: t.userBody('bulk') }],
    });
    const status = answer.status === 200 ? statusOf(objectsAt(answer.body, 'Operations')[0]) : String(answer.status);
    expectEqual(answer, 'status', status, '400');
  }),
  must('bulk-malformed', '7644 §3.12', 'Malformed JSON is 400 invalidSyntax.', async (t) => {
    expectError(await t.send('POST', '/Bulk', '{"Operations":['), 400, 'invalidSyntax');
  }),
  should('bulk-without-schema', '7644 §3.7', 'A message without the schema of bulk requests is 400.', async (t) => {
    expectError(await t.send('POST', '/Bulk', { Operations: [] }), 400);
  }),
  must('bulk-bad-method', '7644 §3.7', 'GET is no operation of a bulk request.', async (t) => {
    const { ann } = await t.cast();
    const answer = await t.send('POST', '/Bulk', {
      schemas: [BULK_REQUEST_URN],
      Operations: [{ method: 'GET', path: ann.path }],
    });
    const status = answer.status === 200 ? statusOf(objectsAt(answer.body, 'Operations')[0]) : String(answer.status);
    expectThat(answer, /^(?:4\d\d|501)$/.test(status), 'status 4xx or 501', status);
  }),
  must('bulk-too-many', '7644 §3.7.4', 'More operations than maxOperations are 413, and none of them happens.', async (t) => {
    const most = Number(at(t.world.discovered.config, 'bulk', 'maxOperations'));
    if (!(most > 0 && most <= 5_000)) throw new NotOffered(`maxOperations is ${most}: too many to try`);
    const gone = { method: 'DELETE', path: `/Users/${t.world.creations.nobody()}` };
    const answer = await t.send('POST', '/Bulk', {
      schemas: [BULK_REQUEST_URN],
      Operations: Array.from({ length: most + 1 }, () => gone),
    });
    expectStatus(answer, 413);
  }),
  must('bulk-too-large', '7644 §3.7.4', 'A payload above maxPayloadSize is 413.', async (t) => {
    const most = Number(at(t.world.discovered.config, 'bulk', 'maxPayloadSize'));
    if (!(most > 0 && most <= 16 * 1024 * 1024)) throw new NotOffered(`maxPayloadSize is ${most}: too much to try`);
    const body = JSON.stringify({ schemas: [BULK_REQUEST_URN], Operations: [], filler: 'x'.repeat(most) });
    expectStatus(await t.send('POST', '/Bulk', body), 413);
  }),
];

export const BULK: Subject = { name: 'bulk', title: 'Bulk', needs: 'bulk', checks: [...WORKS, ...FAILURES] };
