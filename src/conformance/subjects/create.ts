/**
 * Owns the checks of creating people: the answer, what a server sets itself, what it ignores, what it refuses.
 * RFC 7644 §3.3; RFC 7643 §2.1, §2.4, §2.5, §3.1, §4.1.
 */
import { type Check, may, must, type Subject, should } from '../check.ts';
import { expectDateTime, expectEqual, expectError, expectHeader, expectObject, expectStatus, expectThat } from '../expect.ts';
import { at, isUnassigned, objectsAt, textAt } from '../json.ts';
import { ENTERPRISE_URN, USER_URN } from '../urns.ts';

const ANSWER: Check[] = [
  must('create-201', '7644 §3.3', 'A create is answered with 201 and the resource.', async (t) => {
    const user = await t.user();
    expectEqual(user.answer, 'userName', user.body.userName, user.name);
  }),
  must('create-location', '7644 §3.3', 'The answer has Location, and it is the address in meta.location.', async (t) => {
    const { answer, body } = await t.user();
    expectEqual(answer, 'Location equal to meta.location', expectHeader(answer, 'Location'), at(body, 'meta', 'location'));
  }),
  must('create-id', '7643 §3.1', 'The server gives an id, a text that is not empty and does not hold "bulkId".', async (t) => {
    const { answer, body, id } = await t.user();
    expectThat(answer, typeof body.id === 'string' && id !== '' && !id.includes('bulkId'), 'an id', body.id);
  }),
  must('create-ids-differ', '7643 §3.1', 'No two resources have the same id.', async (t) => {
    const [one, two] = [await t.user(), await t.user()];
    expectThat(two.answer, one.id !== two.id, 'another id than the one before', two.id);
  }),
  must('create-id-ignored', '7644 §3.3', 'An id from the client is ignored: it is read-only.', async (t) => {
    const id = t.world.creations.nobody();
    const user = await t.user({ id });
    expectThat(user.answer, user.id !== id, 'an id chosen by the server', user.id);
  }),
  must('create-meta-ignored', '7644 §3.3', 'meta from the client is ignored: it is read-only.', async (t) => {
    const user = await t.user({ meta: { created: '1999-01-01T00:00:00Z', resourceType: 'Robot' } });
    expectEqual(user.answer, 'meta.resourceType', at(user.body, 'meta', 'resourceType'), 'User');
    expectThat(
      user.answer,
      !textAt(user.body, 'meta', 'created').startsWith('1999'),
      'meta.created from the server',
      at(user.body, 'meta', 'created'),
    );
  }),
  must(
    'create-groups-ignored',
    '7643 §4.1.2',
    'groups from the client are ignored: membership changes through groups only.',
    async (t) => {
      const user = await t.user({ groups: [{ value: t.world.creations.nobody() }] });
      expectThat(user.answer, isUnassigned((await t.fresh(user)).groups), 'no groups', user.body.groups);
    },
  ),
  must('create-schemas', '7643 §3', 'The resource names its schemas.', async (t) => {
    const { answer, body } = await t.user();
    expectThat(answer, Array.isArray(body.schemas) && body.schemas.includes(USER_URN), `schemas with ${USER_URN}`, body.schemas);
  }),
  must('create-meta', '7643 §3.1', 'meta has resourceType User, and created and lastModified as dateTime.', async (t) => {
    const { answer, body } = await t.user();
    expectEqual(answer, 'meta.resourceType', at(body, 'meta', 'resourceType'), 'User');
    expectDateTime(answer, 'meta.created', at(body, 'meta', 'created'));
    expectDateTime(answer, 'meta.lastModified', at(body, 'meta', 'lastModified'));
  }),
  must('create-times-equal', '7643 §3.1', 'What was never modified was last modified when it was created.', async (t) => {
    const { answer, body } = await t.user();
    expectEqual(answer, 'meta.lastModified equal to created', at(body, 'meta', 'lastModified'), at(body, 'meta', 'created'));
  }),
  must('create-readable', '7644 §3.3', 'What was created can be read at once, and reads the same.', async (t) => {
    const user = await t.user();
    const answer = await t.get(user.path);
    expectEqual(answer, 'the body of the create', expectObject(answer), user.body);
  }),
];

const CONTENT: Check[] = [
  should('create-external-id', '7643 §3.1', 'externalId comes back as the client sent it.', async (t) => {
    const externalId = `Ext-${t.name('MixedCase')}`;
    const user = await t.user({ externalId });
    expectEqual(user.answer, 'externalId', user.body.externalId, externalId);
  }),
  must('create-complex', '7643 §2.3.8', 'A complex attribute keeps its sub-attributes.', async (t) => {
    const user = await t.user({ name: { givenName: 'Grace', familyName: 'Hopper' } });
    expectEqual(user.answer, 'name.givenName', at(user.body, 'name', 'givenName'), 'Grace');
    expectEqual(user.answer, 'name.familyName', at(user.body, 'name', 'familyName'), 'Hopper');
  }),
  must('create-multi-valued', '7643 §2.4', 'A multi-valued attribute keeps its values with their types.', async (t) => {
    const [work, home] = [`${t.name('w')}@work.example`, `${t.name('h')}@home.example`];
    const user = await t.user({
      emails: [
        { value: work, type: 'work', primary: true },
        { value: home, type: 'home' },
      ],
    });
    const emails = objectsAt(user.body, 'emails').map(({ value, type }) => `${String(type)} ${String(value)}`);
    expectEqual(user.answer, 'emails', emails.sort(), [`home ${home}`, `work ${work}`]);
  }),
  must('create-inactive', '7643 §4.1.1', 'Somebody can be created with active false, and stays so.', async (t) => {
    const user = await t.user({ active: false });
    expectEqual(user.answer, 'active', user.body.active, false);
  }),
  must('create-names-fold', '7643 §2.1', 'Names of attributes are read without regard to case.', async (t) => {
    const body = t.userBody('fold', { displayName: undefined, DISPLAYNAME: 'Shouted' });
    const answer = await t.send('POST', '/Users', body);
    expectEqual(answer, 'displayName', expectObject(answer, 201).displayName, 'Shouted');
  }),
  must('create-null', '7643 §2.5', 'null means unassigned.', async (t) => {
    const user = await t.user({ title: null });
    expectThat(user.answer, isUnassigned(user.body.title), 'no title', user.body.title);
  }),
  must('create-empty-list', '7643 §2.5', 'An empty list means unassigned.', async (t) => {
    const user = await t.user({ phoneNumbers: [] });
    expectThat(user.answer, isUnassigned(user.body.phoneNumbers), 'no phoneNumbers', user.body.phoneNumbers);
  }),
  must('create-primary-once', '7643 §2.4', 'At most one value is primary; a second one is refused or not kept.', async (t) => {
    const emails = ['a', 'b'].map((hint) => ({
      value: `${t.name(hint)}@work.example`,
      type: hint === 'a' ? 'work' : 'home',
      primary: true,
    }));
    const answer = await t.send('POST', '/Users', t.userBody('primary', { emails }));
    expectStatus(answer, 201, 400);
    const primaries = objectsAt(answer.body, 'emails').filter(({ primary }) => primary === true);
    expectThat(answer, primaries.length <= 1, 'one primary value', primaries);
  }),
  must('create-password', '7643 §4.1.1', 'A password is taken and never returned.', async (t) => {
    const user = await t.user({ password: 't1meMa$heen' });
    expectEqual(user.answer, 'password', user.body.password, undefined);
    expectEqual(user.answer, 'password when read', (await t.fresh(user)).password, undefined);
  }),
  must(
    'create-enterprise',
    '7643 §4.3',
    'Attributes of the enterprise extension are kept below its URN, and schemas names it.',
    async (t) => {
      const user = await t.user({
        schemas: [USER_URN, ENTERPRISE_URN],
        [ENTERPRISE_URN]: { department: 'Optics', employeeNumber: '701984' },
      });
      expectEqual(user.answer, 'department', at(user.body, ENTERPRISE_URN, 'department'), 'Optics');
      expectThat(
        user.answer,
        (user.body.schemas as unknown[]).includes(ENTERPRISE_URN),
        `schemas with ${ENTERPRISE_URN}`,
        user.body.schemas,
      );
    },
    { needs: 'enterprise' },
  ),
  must(
    'create-without-extension',
    '7643 §3',
    'schemas names an extension only when there is something of it.',
    async (t) => {
      const user = await t.user();
      expectEqual(user.answer, 'schemas', user.body.schemas, [USER_URN]);
    },
    { needs: 'enterprise' },
  ),
  should(
    'create-unknown-attribute',
    '7644 §3.3',
    'An attribute of no schema does not keep somebody from being created.',
    async (t) => {
      expectStatus(await t.send('POST', '/Users', t.userBody('unknown', { favouriteColour: 'green' })), 201);
    },
  ),
  may(
    'create-without-schemas',
    '7643 §3',
    'A body without schemas is understood by its endpoint, as some clients send it.',
    async (t) => {
      expectStatus(await t.send('POST', '/Users', t.userBody('bare', { schemas: undefined })), 201);
    },
  ),
];

const REFUSED: Check[] = [
  must('create-taken', '7644 §3.3', 'A userName that is taken is refused with 409 uniqueness.', async (t) => {
    const user = await t.user();
    expectError(await t.send('POST', '/Users', t.userBody('taken', { userName: user.name })), 409, 'uniqueness');
  }),
  must('create-taken-fold', '7643 §4.1.1', 'A userName is taken in any letter case.', async (t) => {
    const user = await t.user();
    expectError(await t.send('POST', '/Users', t.userBody('taken', { userName: user.name.toUpperCase() })), 409, 'uniqueness');
  }),
  must('create-without-name', '7643 §4.1.1', 'Nobody is created without userName: 400 invalidValue.', async (t) => {
    expectError(
      await t.send('POST', '/Users', t.userBody('nameless', { userName: undefined })),
      400,
      'invalidValue',
      'invalidSyntax',
    );
  }),
  must('create-empty-name', '7643 §4.1.1', 'Nobody is created with an empty userName.', async (t) => {
    expectError(await t.send('POST', '/Users', t.userBody('empty', { userName: '' })), 400, 'invalidValue', 'invalidSyntax');
  }),
  must('create-wrong-type', '7644 §3.12', 'A value of a wrong type is 400 invalidValue.', async (t) => {
    expectError(await t.send('POST', '/Users', t.userBody('type', { active: 'perhaps' })), 400, 'invalidValue', 'invalidSyntax');
  }),
  must('create-wrong-shape', '7644 §3.12', 'A simple value in place of a complex one is 400.', async (t) => {
    expectError(await t.send('POST', '/Users', t.userBody('shape', { name: 'Just Text' })), 400, 'invalidValue', 'invalidSyntax');
  }),
  should('create-wrong-schema', '7644 §3.3', 'A body of another schema does not become a person.', async (t) => {
    expectError(
      await t.send('POST', '/Users', t.userBody('schema', { schemas: ['urn:ietf:params:scim:schemas:core:2.0:Toaster'] })),
      400,
    );
  }),
];

export const CREATE: Subject = { name: 'create', title: 'Create (POST)', checks: [...ANSWER, ...CONTENT, ...REFUSED] };
