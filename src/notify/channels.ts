/** Owns which channels a configuration opens: none, a webhook, mail, or both. No behaviour beyond that. */
import type { NotifyConfig } from '../config.ts';
import type { Channel } from './channel.ts';
import { openMail } from './mail.ts';
import { openWebhook } from './webhook.ts';

/** Open every configured channel; they are shared by all sites of a process. */
export function openChannels({ webhookUrl, smtp }: NotifyConfig): Channel[] {
  return [...(webhookUrl === undefined ? [] : [openWebhook(webhookUrl)]), ...(smtp === undefined ? [] : [openMail(smtp)])];
}
