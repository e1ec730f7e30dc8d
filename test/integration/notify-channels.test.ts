/** The two ways to people, each at its worst: receivers that refuse, redirect, hang, or are not there. What is said of it names a cure and no secret. */
import { afterEach, describe, expect, it } from 'vitest';
import { type Channel, NotDelivered } from '../../src/notify/channel.ts';
import { openChannels } from '../../src/notify/channels.ts';
import { openMail } from '../../src/notify/mail.ts';
import { type Message, testMessage } from '../../src/notify/message.ts';
import { openWebhook } from '../../src/notify/webhook.ts';
import { Secret } from '../../src/secret.ts';
import { startHook } from '../support/hook.ts';
import { startMailbox } from '../support/mailbox.ts';

const MESSAGE: Message = testMessage('us.acme', true, 'dana', Date.UTC(2026, 10, 21));
const WHO = { from: 'scim@example.com', to: 'ops@example.com' };
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

function keep<T extends { close(): Promise<void> }>(each: T): T {
  open.unshift(each);
  return each;
}

/** What a channel says when it does not take a message. */
async function failure(channel: Channel): Promise<NotDelivered> {
  const thrown: unknown = await keep(channel)
    .send(MESSAGE)
    .then(
      () => expect.fail('it was taken'),
      (error: unknown) => error,
    );
  expect(thrown).toBeInstanceOf(NotDelivered);
  const { message, stack = '', cause } = thrown as NotDelivered;
  expect(`${message} ${stack}`).not.toMatch(/canary|example\.com/);
  expect(cause).toBeUndefined();
  return thrown as NotDelivered;
}

describe('the webhook', () => {
  it('takes any 2xx, and sends text for Slack beside fields for programs', async () => {
    const hook = keep(await startHook());
    hook.status = 204;
    await keep(openWebhook(new Secret(hook.url))).send(MESSAGE);
    expect(hook.taken).toEqual([
      {
        text: '*info* us.acme: test message (test site)\ndana has asked for this message, to see that it arrives. Nothing has happened.',
        service: 'maxio-scim',
        site: 'us.acme',
        topic: 'test',
        state: 'test',
        severity: 'info',
        what: 'dana has asked for this message, to see that it arrives. Nothing has happened.',
        who: 'Nobody.',
        todo: 'Nothing.',
        since: '2026-11-21T00:00:00.000Z',
        at: '2026-11-21T00:00:00.000Z',
        test: true,
      },
    ]);
  });

  it.each([
    [400, 'Check NOTIFY_WEBHOOK_URL'],
    [404, 'Check NOTIFY_WEBHOOK_URL'],
    [429, 'tried again'],
    [500, 'tried again'],
  ])('that answers %d did not take it', async (status, words) => {
    const hook = keep(await startHook('/canary'));
    hook.status = status;
    const failed = await failure(openWebhook(new Secret(hook.url)));
    expect(failed).toMatchObject({ code: String(status), message: expect.stringContaining(words) });
  });

  it.each([301, 302, 307, 308])('that redirects with %d is not followed', async (status) => {
    const [first, second] = [keep(await startHook('/canary')), keep(await startHook())];
    first.status = status;
    first.headers = { location: second.url };
    expect((await failure(openWebhook(new Secret(first.url)))).message).toContain('redirects');
    expect(second.asked).toBe(0);
  });

  it('that never answers is given up', async () => {
    const hook = keep(await startHook('/canary'));
    hook.status = 0;
    expect(await failure(openWebhook(new Secret(hook.url), 100))).toMatchObject({ code: 'TIMEOUT' });
  });

  it('that is not there is named by its fault', async () => {
    const hook = await startHook('/canary');
    await hook.close();
    expect(await failure(openWebhook(new Secret(hook.url)))).toMatchObject({ code: 'ECONNREFUSED' });
  });
});

describe('mail', () => {
  it('goes through a server that wants a login, whatever characters it has', async () => {
    const login = { user: 'scim@canary', pass: 'p@ss/w:rd %é' };
    const box = keep(await startMailbox({ login }));
    await keep(openMail({ url: new Secret(box.url), ...WHO })).send(MESSAGE);
    expect(box.mails).toHaveLength(1);
    expect(box.mails[0]?.headers.subject).toBe('[maxio-scim us.acme] test message (test site)');
  });

  it('says that the login is wrong', async () => {
    const box = keep(await startMailbox({ login: { user: 'scim', pass: 'right' } }));
    const failed = await failure(openMail({ url: new Secret(box.url.replace('right', 'canary-9')), ...WHO }));
    expect(failed).toMatchObject({ code: 'EAUTH', message: expect.stringContaining('NOTIFY_SMTP_URL') });
    expect(box.mails).toEqual([]);
  });

  it('is not sent unencrypted to another machine', async () => {
    const box = keep(await startMailbox({ login: { user: 'scim', pass: 'canary-1' } }));
    // 0.0.0.0 leads to this machine, and is none of the names of this machine.
    const failed = await failure(openMail({ url: new Secret(box.url.replace('127.0.0.1', '0.0.0.0')), ...WHO }));
    expect(failed).toMatchObject({ code: 'ETLS' });
    expect(box.mails).toEqual([]);
  });

  it('is not sent to another machine whose certificate nobody trusts, whatever the query of the address says', async () => {
    const box = keep(await startMailbox({ tls: true }));
    const url = `${box.url.replace('127.0.0.1', '0.0.0.0')}?tls.rejectUnauthorized=false&ignoreTLS=true`;
    expect((await failure(openMail({ url: new Secret(url), ...WHO }))).message).toContain('certificate');
    expect(box.mails).toEqual([]);
  });

  it('that the server refuses is named with its answer', async () => {
    const box = keep(await startMailbox());
    box.refuse = 552;
    const failed = await failure(openMail({ url: new Secret(box.url), ...WHO }));
    expect(failed).toMatchObject({ code: 'EMESSAGE', message: expect.stringContaining('552') });
  });

  it('to a server that says nothing is given up', async () => {
    const hook = keep(await startHook());
    // An HTTP server waits for its client to begin, and so does a mail client for its server.
    const url = `smtp://127.0.0.1:${new URL(hook.url).port}`;
    expect(await failure(openMail({ url: new Secret(url), ...WHO }, 200))).toMatchObject({ code: 'ETIMEDOUT' });
  });

  it('to a server that is not there is named by its fault', async () => {
    const box = await startMailbox();
    await box.close();
    expect((await failure(openMail({ url: new Secret(box.url), ...WHO }))).message).toContain('NOTIFY_SMTP_URL');
  });
});

it('a configuration opens the channels it names, and none of its own', () => {
  const webhookUrl = new Secret('https://hooks.example.com/x');
  const smtp = { url: new Secret('smtps://mail.example.com'), ...WHO };
  const names = (config: Parameters<typeof openChannels>[0]): string[] =>
    openChannels(config).map((channel) => keep(channel).name);
  expect(names({ names: false })).toEqual([]);
  expect(names({ names: false, webhookUrl })).toEqual(['webhook']);
  expect(names({ names: false, webhookUrl, smtp })).toEqual(['webhook', 'mail']);
});
