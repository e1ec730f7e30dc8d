-- A call's end: frees its slot (unless the call may still be at work) and learns how the site fares.
-- ARGV[1]: slot, result, retryAfterMs, pauses { throttled | unauthorized | failing: { firstMs, maxMs } }, failuresMax,
-- retryAfterMinMs, pauseMaxMs, windowMs, bucketMs, holdMs. Answers 1, or 0 when the slot is not known (any more): then nothing is learnt.
--#include budget-state
local score = redis.call('ZSCORE', slotsKey, q.slot)
if not score then return 0 end
redis.call('ZREM', slotsKey, q.slot)
-- Under another name, so that a repeated release of the same slot counts once.
if q.result == 'unknown' then redis.call('ZADD', slotsKey, score, '?' .. q.slot) end

local stored = redis.call('HMGET', stateKey, 'why', 'blockedUntil', 'probe', 'streak', 'failures')
local why, untilMs, isProbe = stored[1], tonumber(stored[2]) or 0, stored[3] == q.slot
local asked = q.retryAfterMs and math.min(math.max(q.retryAfterMs, q.retryAfterMinMs), q.pauseMaxMs)

if why and not isProbe then
  -- A call from before the pause proves nothing about its end; it may only lengthen it.
  if q.result == 'throttled' and asked and now + asked > untilMs then
    redis.call('HSET', stateKey, 'blockedUntil', int(now + asked))
    keepState(now + asked)
  end
  return 1
end
-- An unsent probe has given its slot back above, and with it the turn.
if q.result == 'unsent' then return 1 end
if q.result == 'answered' then
  if why or stored[5] then redis.call('HDEL', stateKey, 'why', 'blockedUntil', 'probe', 'streak', 'failures') end
  return 1
end

local kind = q.result
if kind == 'failed' or kind == 'unknown' then
  kind = 'failing'
  if not why then
    local failures = redis.call('HINCRBY', stateKey, 'failures', 1)
    keepState()
    if failures < q.failuresMax then return 1 end
  end
end
local streak = 1
if why == kind then streak = tonumber(stored[4]) + 1 end
local pause = q.pauses[kind]
local wait = math.min(pause.firstMs * 2 ^ (streak - 1), pause.maxMs)
if kind == 'throttled' and asked then wait = asked end
redis.call('HDEL', stateKey, 'probe', 'failures')
redis.call('HSET', stateKey, 'why', kind, 'blockedUntil', int(now + wait), 'streak', int(streak))
keepState(now + wait)
return 1
