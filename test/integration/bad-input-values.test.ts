/**
 * Owns the promise about values: nobody is deactivated or taken over by a value of the wrong kind, names that look alike are told apart or refused, and
 * what is accepted is plain text wherever it goes. Over sockets, on a running server. RFC 7643 §2, RFC 7644 §3.3-3.5; ids are those of the project's matrix.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bench, openBench, type Refusal, USERS } from '../support/bad-input.ts';
import { patchOf, person } from '../support/scim-server.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

const value = (says: RegExp): Refusal => ({ status: 400, scimType: 'invalidValue', says });
const ann = (): string => `${USERS}/${bench.ann}`;
const find = async (attribute: string, text: string) =>
  await bench.send({ path: `${USERS}?filter=${encodeURIComponent(`${attribute} eq ${JSON.stringify(text)}`)}` });

describe('active', () => {
  const patch = (active: unknown) => ({
    method: 'PATCH',
    path: ann(),
    body: patchOf({ op: 'replace', path: 'active', value: active }),
  });

  test.each(['False', 'false', 'FALSE'])('B21 "%s" is false, whichever way it comes', async (word) => {
    expect((await bench.send(patch(word))).body?.active).toBe(false);
    expect((await bench.send(patch('True'))).body?.active).toBe(true);
    expect((await bench.send({ method: 'PUT', path: ann(), body: person('ann', { active: word }) })).body?.active).toBe(false);
    expect((await bench.send(patch(true))).body?.active).toBe(true);
    expect(
      (await bench.send({ body: person(word, { userName: Buffer.from(word).toString('hex'), active: word }) })).body?.active,
    ).toBe(false);
  });

  test.each([[0], [1], ['no'], ['0'], [' false'], [null], [''], [[]], [{}], [['False']]])(
    'B22 %j is 400 whichever way it comes, and deactivates nobody',
    async (active) => {
      const expected = value(/active must be true or false.*by accident/);
      await bench.refused(patch(active), expected);
      await bench.refused({ method: 'PATCH', path: ann(), body: patchOf({ op: 'add', value: { active } }) }, expected);
      await bench.refused({ method: 'PUT', path: ann(), body: person('ann', { active }) }, expected);
      await bench.refused({ body: person('x', { active }) }, expected);
    },
  );

  test('B22 removing it deactivates nobody', async () => {
    const answer = await bench.send({ method: 'PATCH', path: ann(), body: patchOf({ op: 'remove', path: 'active' }) });
    const after = await bench.send({ path: ann() });
    expect([answer.status, after.body?.active]).toEqual([400, true]);
  });

  test('B24 a PUT without it changes nothing about it', async () => {
    await bench.send(patch(false));
    expect((await bench.send({ method: 'PUT', path: ann(), body: person('ann') })).body?.active).toBe(false);
    await bench.send(patch(true));
    expect((await bench.send({ method: 'PUT', path: ann(), body: person('ann') })).body?.active).toBe(true);
  });
});

describe('names', () => {
  test.each<[string, unknown, RegExp]>([
    ['a list', ['a'], /must be a text/],
    ['an object', { a: 1 }, /must be a text/],
    ['a number', 7, /must be a text/],
    ['true', true, /must be a text/],
    ['empty', '', /missing or empty|cannot be empty/],
    ['null', null, /missing or empty|cannot be empty/],
    ['an empty list', [], /missing or empty|cannot be empty/],
    ['spaces', '   ', /spaces only/],
    ['300 characters', 'x'.repeat(300), /longer than 255/],
  ])('B23 userName as %s is 400', async (_, userName, says) => {
    await bench.refused({ body: person('x', { userName }) }, value(says));
    await bench.refused({ method: 'PUT', path: ann(), body: person('ann', { userName }) }, value(says));
    await bench.refused(
      { method: 'PATCH', path: ann(), body: patchOf({ op: 'replace', path: 'userName', value: userName }) },
      value(says),
    );
  });

  test('B24 a POST or PUT without userName is 400', async () => {
    const { userName: _, ...nameless } = person('x');
    await bench.refused({ body: nameless }, value(/userName is missing.*Map/));
    await bench.refused({ method: 'PUT', path: ann(), body: nameless }, value(/userName is missing.*Map/));
  });

  test.each([
    ['letter case', 'ren\u00e9', 'REN\u00c9'],
    ['NFC and NFD', 'zo\u00eb', 'zoe\u0308'],
    ['fullwidth', 'max', '\uff4d\uff41\uff58'],
    ['the Kelvin sign', 'kim', '\u212aim'],
    ['a ligature', 'finn', '\ufb01nn'],
    ['sharp s (B31)', 'stra\u00dfe', 'STRASSE'],
  ])('B29 of two forms of one name, %s, the second is 409, and both find the one person', async (_, first, second) => {
    const { body } = await bench.send({ body: person(first, { userName: `${first}@example.com` }) });
    await bench.refused(
      { body: person('x', { userName: `${second}@example.com` }) },
      { status: 409, scimType: 'uniqueness', says: /userName already exists.*Match on userName/ },
    );
    for (const form of [first, second]) {
      expect((await find('userName', `${form}@example.com`)).body).toMatchObject({
        totalResults: 1,
        Resources: [{ id: body?.id }],
      });
    }
  });

  test.each([
    ['a zero-width space', 'a\u200bn@example.com'],
    ['a joiner', 'an\u200dn@example.com'],
    ['a right-to-left override', '\u202emoc.elpmaxe@nna'],
    ['a soft hyphen', 'an\u00adn@example.com'],
    ['a line separator', 'ann\u2028@example.com'],
    ['a byte order mark', '\ufeffann@example.com'],
  ])('B30 %s in userName is 400', async (_, userName) => {
    await bench.refused({ body: person('x', { userName }) }, value(/invisible or text-direction/));
  });

  test.each([
    ['B30 a Cyrillic homoglyph', '\u0430nn@example.com', 'ann@example.com'],
    ['B31 a dotless i', 'b\u0131ll@example.com', 'bill@example.com'],
    ['B31 a dotted capital I', '\u0130pek@example.com', 'ipek@example.com'],
  ])('%s makes another person, found by the own name alone', async (_, odd, plain) => {
    const { status, body } = await bench.send({ body: person('x', { userName: odd, externalId: odd }) });
    expect(status).toBe(201);
    const others = (await find('userName', plain)).body?.Resources as { id: string }[];
    expect(others.map(({ id }) => id)).not.toContain(body?.id);
    expect((await find('userName', odd)).body).toMatchObject({ totalResults: 1, Resources: [{ id: body?.id }] });
  });
});

describe('what is not the client\u2019s', () => {
  test('B25 id and meta are ignored in bodies', async () => {
    const { body } = await bench.send({
      method: 'PUT',
      path: ann(),
      body: person('ann', { id: bench.bob, meta: { location: 'http://elsewhere', created: '1970-01-01T00:00:00Z' } }),
    });
    expect(body).toMatchObject({ id: bench.ann, meta: { location: `https://scim.example.com${ann()}` } });
    expect(body?.meta).not.toMatchObject({ created: '1970-01-01T00:00:00Z' });
    expect((await bench.send({ path: `${USERS}/${bench.bob}` })).body?.userName).toBe('bob@example.com');
  });

  test('B26 a PATCH of them is 400 mutability, but the own id in a value without path is fine', async () => {
    const patch = (operation: Record<string, unknown>) => ({ method: 'PATCH', path: ann(), body: patchOf(operation) });
    const expected: Refusal = { status: 400, scimType: 'mutability', says: /cannot be changed/ };
    for (const path of ['id', 'meta', 'meta.created']) {
      await bench.refused(patch({ op: 'replace', path, value: 'x' }), expected);
    }
    await bench.refused(patch({ op: 'replace', value: { id: bench.bob, title: 'Boss' } }), expected);
    expect((await bench.send(patch({ op: 'replace', value: { id: bench.ann, title: 'Guide' } }))).body).toMatchObject({
      title: 'Guide',
    });
  });

  test('B27 a password is never stored, shown or logged', async () => {
    const password = 'correct-horse-battery';
    const made = await bench.send({ body: person('pass', { password }) });
    const path = `${USERS}/${String(made.body?.id)}`;
    const patched = await bench.send({ method: 'PATCH', path, body: patchOf({ op: 'replace', value: { password } }) });
    const keys = await bench.redis.keys('*');
    const dump = await Promise.all(keys.map(async (key) => (await bench.redis.dumpBuffer(key))?.toString('latin1')));
    expect(keys.length).toBeGreaterThan(0);
    expect(JSON.stringify([made, patched, dump, bench.server.logLines])).not.toContain(password);
  });
});

describe('plain text', () => {
  test('B28 an e-mail with a line break or of 400 characters is 400; quotes, other scripts and a second primary are not', async () => {
    const emails = (...values: string[]) =>
      values.map((text, at) => ({ value: text, type: at === 0 ? 'work' : 'home', primary: true }));
    await bench.refused(
      { body: person('x', { emails: emails('a@x\r\nBcc: b@x') }) },
      value(/emails\.value contains control characters or line breaks/),
    );
    await bench.refused({ body: person('x', { emails: emails('a'.repeat(400)) }) }, value(/emails\.value is longer than 320/));
    const { body } = await bench.send({
      body: person('mail', { emails: emails('"q\\"x"@x.example', '\u00fcn\u00ef@b\u00fccher.example') }),
    });
    expect(body?.emails).toEqual([
      { value: '"q\\"x"@x.example', type: 'work', primary: false },
      { value: '\u00fcn\u00ef@b\u00fccher.example', type: 'home', primary: true },
    ]);
  });

  test('B32 a spreadsheet formula is kept as it is', async () => {
    const { body } = await bench.send({ body: person('sheet', { displayName: '=cmd|\u2019/C calc\u2019!A0' }) });
    expect((await bench.send({ path: `${USERS}/${String(body?.id)}` })).body?.displayName).toBe('=cmd|\u2019/C calc\u2019!A0');
  });

  test.each(['1', '__proto__', '0', 'constructor', '{x}:*', 'a\u00e9/../b'])(
    'B52 externalId %j is an opaque text',
    async (externalId) => {
      const { body } = await bench.send({
        body: person('opaque', { userName: `${encodeURIComponent(externalId)}@x`, externalId }),
      });
      expect(body).toMatchObject({ externalId });
      expect((await find('externalId', externalId)).body).toMatchObject({ totalResults: 1, Resources: [{ id: body?.id }] });
    },
  );

  test('B52 an externalId of 10 KB is 400', async () => {
    await bench.refused({ body: person('x', { externalId: 'x'.repeat(10_240) }) }, value(/externalId is longer than 255/));
  });
});
