/**
 * Owns which subjects people are told about, and how patiently: how long something must last before it is told, how often it is brought to mind
 * again, and what is said when it is over. Refuses to know when a subject applies (conditions.ts) and where messages go.
 */

export const TOPIC_NAMES = [
  'recovery',
  'held',
  'leaver-waiting',
  'parked',
  'key-refused',
  'site-blocked',
  'failing',
  'budget',
  'other-network',
  'token-expiry',
  'client-expiry',
  'configuration',
  'group-plans',
  'survey-done',
  'drift',
  'redis',
] as const;
export type Topic = (typeof TOPIC_NAMES)[number];

/** `page` is worth waking somebody, `warn` can wait until the morning, `info` wants a look some time. */
export type Severity = 'info' | 'warn' | 'page';

/** Something that is true of a site now and that somebody should know. Texts are whole sentences, for a reader who was asleep. */
export interface Condition {
  topic: Topic;
  severity: Severity;
  /** A few words, for a subject line. */
  title: string;
  what: string;
  who: string;
  /** The exact command or page to go to next. */
  todo: string;
  /** Since when, where the site knows it better than we who look every few seconds. */
  sinceMs?: number;
  /** How many are affected; told anew when it has doubled. */
  count: number;
  /** Grows when there is something new to say beyond the count: a nearer date, a later finding. */
  mark: number;
}

export interface TopicRule {
  /** How long it must have lasted before anybody is told, so that a blip of seconds wakes nobody. */
  lastsMs: number;
  remindMs: number;
  /** How long a channel is spared more of the same after a message; absent: growth is told at once. */
  spareMs?: number;
  /** What is true when it is over. */
  over: string;
  /** The page for whoever is woken by it. */
  runbook: string;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export const TOPICS: Record<Topic, TopicRule> = {
  recovery: {
    lastsMs: 0,
    remindMs: HOUR_MS,
    over: 'The site is released again; its data is what Maxio and the identity provider are compared with.',
    runbook: 'docs/runbooks/redis-lost.md',
  },
  held: {
    lastsMs: 0,
    remindMs: HOUR_MS,
    over: 'Nobody is held any more: every leaver was approved, rejected or is active again.',
    runbook: 'docs/onboarding.md#8-the-wrong-group',
  },
  'leaver-waiting': {
    lastsMs: 0,
    remindMs: HOUR_MS,
    over: 'No leaver has been waiting for longer than five minutes any more.',
    runbook: 'docs/runbooks/README.md',
  },
  parked: { lastsMs: MINUTE_MS, remindMs: DAY_MS, over: 'Nobody is parked any more.', runbook: 'docs/runbooks/parked.md' },
  'key-refused': {
    lastsMs: 0,
    remindMs: DAY_MS,
    over: 'Maxio accepts the API key again.',
    runbook: 'docs/runbooks/key-refused.md',
  },
  'site-blocked': {
    lastsMs: 0,
    remindMs: DAY_MS,
    over: 'The API key opens the right Maxio site again.',
    runbook: 'docs/runbooks/key-refused.md#if-it-opens-another-site',
  },
  failing: {
    lastsMs: 15 * MINUTE_MS,
    remindMs: 4 * HOUR_MS,
    over: 'Maxio answers again, or nothing waits for it.',
    runbook: 'docs/runbooks/maxio-outage.md',
  },
  budget: {
    lastsMs: 10 * MINUTE_MS,
    remindMs: DAY_MS,
    over: 'There is room in the call budget again.',
    runbook: 'docs/runbooks/budget-exhausted.md',
  },
  'token-expiry': {
    lastsMs: 0,
    remindMs: 7 * DAY_MS,
    over: 'The SCIM token is good for more than 30 days.',
    runbook: 'docs/runbooks/token-leaked.md#a-planned-change',
  },
  configuration: {
    lastsMs: 0,
    remindMs: DAY_MS,
    over: 'No configuration waits for approval any more.',
    runbook: 'docs/runbooks/README.md',
  },
  'survey-done': {
    lastsMs: 0,
    remindMs: 7 * DAY_MS,
    over: 'The site does not wait for a release any more.',
    runbook: 'docs/runbooks/existing-customers.md',
  },
  'other-network': {
    lastsMs: 0,
    remindMs: DAY_MS,
    over: 'For a day no right token has come from a network that is not allowed.',
    runbook: 'docs/runbooks/token-leaked.md',
  },
  'client-expiry': {
    lastsMs: 0,
    remindMs: 7 * DAY_MS,
    over: 'What OAuth clients sign in with is good for more than 30 days.',
    runbook: 'docs/runbooks/token-leaked.md#a-planned-change',
  },
  'group-plans': {
    lastsMs: 2 * MINUTE_MS,
    remindMs: DAY_MS,
    over: 'Maxio sells everything that the rules for groups name.',
    runbook: 'docs/runbooks/README.md',
  },
  // With webhooks there is a new difference whenever staff work at Maxio.
  drift: {
    lastsMs: 0,
    remindMs: 7 * DAY_MS,
    spareMs: HOUR_MS,
    over: 'The directory and Maxio agree again.',
    runbook: 'docs/onboarding.md#9-the-next-morning',
  },
  redis: {
    lastsMs: MINUTE_MS,
    remindMs: DAY_MS,
    over: 'Redis is set up safely and has room again.',
    runbook: 'docs/runbooks/redis-full.md',
  },
};

/** How long a condition must be gone before it counts as over, so that one that comes and goes is one story. */
export const REST_MS = MINUTE_MS;
