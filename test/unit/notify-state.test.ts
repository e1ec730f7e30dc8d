/** When a condition is told: the stories that a channel hears, minute by minute, without a clock and without a channel. */
import { describe, expect, it } from 'vitest';
import { afterSending, type Due, decide, type NoticeState } from '../../src/notify/notice-state.ts';
import type { Condition, Topic } from '../../src/notify/topics.ts';

const MINUTE = 60_000;
const START = 1_800_000_000_000;

function condition(topic: Topic, change: Partial<Condition> = {}): Condition {
  return { topic, severity: 'warn', title: 't', what: 'w', who: 'w', todo: 't', count: 1, mark: 0, ...change };
}

/** Plays a story; each look is a moment and what is true then. Answers what was sent when, in minutes after the start. */
class Story {
  state: NoticeState | undefined;
  readonly sent: string[] = [];
  readonly topic: Topic;
  channels = ['webhook'];
  down = new Set<string>();

  constructor(topic: Topic) {
    this.topic = topic;
  }

  look(atMinutes: number, now: Partial<Condition> | undefined): this {
    const nowMs = START + atMinutes * MINUTE;
    const seen = now === undefined ? undefined : condition(this.topic, now);
    const { state, due } = decide(this.state, { topic: this.topic, condition: seen, channels: this.channels, nowMs });
    this.state = state;
    const sent = due.map((each) => ({ ...each, taken: !this.down.has(each.channel) }));
    for (const { channel, kind, taken } of sent) if (taken) this.sent.push(`${atMinutes}:${channel}:${kind}`);
    if (sent.length > 0 && state !== undefined) this.state = afterSending(state, sent, { condition: seen, nowMs });
    return this;
  }
}

describe('a condition', () => {
  it('is told once, brought to mind again, and told to be over', () => {
    const story = new Story('held');
    for (const at of [0, 1, 30, 59, 60, 61, 119, 120, 121]) story.look(at, {});
    story.look(122, undefined).look(123, undefined).look(124, undefined).look(125, undefined);
    expect(story.sent).toEqual(['0:webhook:open', '60:webhook:reminder', '120:webhook:reminder', '123:webhook:recovered']);
    expect(story.state).toBeUndefined();
  });

  it('that lasts a moment only tells nobody', () => {
    const story = new Story('failing');
    for (const at of [0, 5, 14]) story.look(at, {});
    story.look(14.5, undefined).look(16, undefined);
    expect(story.sent).toEqual([]);
    expect(story.state).toBeUndefined();
  });

  it('that flickers is one story', () => {
    const story = new Story('failing');
    story.look(0, {}).look(5, undefined).look(5.5, {}).look(10, undefined).look(10.5, {}).look(15, {});
    expect(story.sent).toEqual(['15:webhook:open']);
    story.look(16, undefined).look(16.5, {}).look(17, undefined).look(17.5, {}).look(18, {});
    expect(story.sent).toEqual(['15:webhook:open']);
  });

  it('counts from the moment the site knows, not from our first look', () => {
    const story = new Story('failing');
    story.look(0, { sinceMs: START - 20 * MINUTE });
    expect(story.sent).toEqual(['0:webhook:open']);
  });

  it('that has something new every few minutes is told at most hourly where that is the rule', () => {
    const story = new Story('drift');
    for (let at = 0; at <= 180; at += 5) story.look(at, { mark: at, count: 1 + at });
    expect(story.sent).toEqual(['0:webhook:open', '60:webhook:update', '120:webhook:update', '180:webhook:update']);
  });

  it('that grows is told anew when it has doubled, and never for shrinking', () => {
    const story = new Story('held');
    const counts = [3, 4, 5, 6, 11, 12, 2, 5, 23, 24];
    for (const [at, count] of counts.entries()) story.look(at, { count });
    expect(story.sent).toEqual(['0:webhook:open', '3:webhook:update', '5:webhook:update', '9:webhook:update']);
  });

  it('that becomes more pressing is told anew, once for each step', () => {
    const story = new Story('token-expiry');
    for (const [at, mark] of [1, 1, 2, 2, 1, 2, 3].entries()) story.look(at, { mark });
    expect(story.sent).toEqual(['0:webhook:open', '2:webhook:update', '6:webhook:update']);
  });

  it('that comes back after its end is a new story', () => {
    const story = new Story('held');
    story.look(0, {}).look(1, undefined).look(2, undefined).look(3, {});
    expect(story.sent).toEqual(['0:webhook:open', '2:webhook:recovered', '3:webhook:open']);
    expect(story.state?.sinceMs).toBe(START + 3 * MINUTE);
  });
});

describe('channels', () => {
  it('are counted each by itself: one that was down is told later, the other hears nothing twice', () => {
    const story = new Story('held');
    story.channels = ['webhook', 'mail'];
    story.down.add('mail');
    story.look(0, {}).look(1, {});
    expect(story.sent).toEqual(['0:webhook:open']);
    story.down.clear();
    for (const at of [2, 3, 4]) story.look(at, {});
    expect(story.sent).toEqual(['0:webhook:open', '2:mail:open']);
  });

  it('that are down are asked less and less often, and at least every ten minutes', () => {
    const tries: number[] = [];
    let state: NoticeState | undefined;
    const seen = condition('held');
    for (let second = 0; second < 7_200; second += 1) {
      const nowMs = START + second * 1_000;
      const decision = decide(state, { topic: 'held', condition: seen, channels: ['mail'], nowMs });
      state = decision.state;
      if (decision.due.length === 0 || state === undefined) continue;
      tries.push(second);
      state = afterSending(
        state,
        decision.due.map((due) => ({ ...due, taken: false })),
        { condition: seen, nowMs },
      );
    }
    const gaps = tries.slice(1).map((at, i) => at - (tries[i] ?? 0));
    expect(gaps.slice(0, 6)).toEqual([15, 30, 60, 120, 240, 480]);
    expect(new Set(gaps.slice(6))).toEqual(new Set([600]));
  });

  it('that were down for the whole story hear of it with its end', () => {
    const story = new Story('held');
    story.down.add('webhook');
    story.look(0, {}).look(5, {}).look(6, undefined).look(7, undefined);
    story.down.clear();
    story.look(30, undefined).look(31, undefined).look(32, undefined);
    expect(story.sent).toEqual(['30:webhook:recovered']);
    expect(story.state).toBeUndefined();
  });

  it('that stay down for a day after the end are not told any more', () => {
    const story = new Story('held');
    story.down.add('webhook');
    story
      .look(0, {})
      .look(6, undefined)
      .look(8, undefined)
      .look(26 * 60, undefined);
    expect(story.state).toBeUndefined();
  });

  it('that are added later are told what is true then', () => {
    const story = new Story('parked');
    story.look(0, {}).look(2, {});
    story.channels = ['webhook', 'mail'];
    story.look(10, {}).look(11, {});
    expect(story.sent).toEqual(['2:webhook:open', '10:mail:open']);
  });

  it('that are not configured keep a story without sending', () => {
    const story = new Story('held');
    story.channels = [];
    story.look(0, {}).look(90, {});
    expect(story.sent).toEqual([]);
    expect(story.state).toMatchObject({ sinceMs: START, told: {} });
    story.look(91, undefined).look(93, undefined);
    expect(story.state).toBeUndefined();
  });
});

it('somebody who is sending is left alone until he must be dead', () => {
  const seen = condition('held');
  const sending: NoticeState = { sinceMs: START, told: {}, failed: {}, sending: { by: 'other', untilMs: START + MINUTE } };
  const at = (nowMs: number): Due[] => decide(sending, { topic: 'held', condition: seen, channels: ['mail'], nowMs }).due;
  expect(at(START + 1_000)).toEqual([]);
  expect(at(START + MINUTE)).toEqual([{ channel: 'mail', kind: 'open', previousMs: 0 }]);
});

it('a reminder of a held leave comes every hour, for as long as nobody decides', () => {
  const story = new Story('held');
  for (let minute = 0; minute <= 26 * 60; minute += 1) story.look(minute, {});
  expect(story.sent).toHaveLength(27);
  expect(story.sent.at(-1)).toBe('1560:webhook:reminder');
});
