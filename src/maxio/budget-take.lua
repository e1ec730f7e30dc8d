-- One call's permission: fences, pause, window, slot, and on success the charge, the slot and the notes, all or nothing.
-- ARGV[1]: slot, waiter, urgent, cap, concurrency, windowMs, bucketMs, holdMs, markMs, pauseMaxMs, fences, notes.
-- Answers {'granted', now} | {'fenced', index from 0} | {'budget' | 'slots' | 'blocked', wait in ms}.
--#include budget-state
local PROBE_WAIT_MS = 1000

for i, fence in ipairs(q.fences) do
  local held
  if fence.field then held = redis.call('HGET', fence.key, fence.field) else held = redis.call('GET', fence.key) end
  -- Absent is `false` to Redis and nil in the question.
  if (held or nil) ~= fence.equals then return { 'fenced', i - 1 } end
end

local taken = takenSlots()

local pause = redis.call('HMGET', stateKey, 'why', 'blockedUntil', 'probe')
if pause[1] then
  local untilMs = math.min(tonumber(pause[2]), now + q.pauseMaxMs)
  if untilMs > now then
    if untilMs < tonumber(pause[2]) then redis.call('HSET', stateKey, 'blockedUntil', int(untilMs)) end
    return { 'blocked', untilMs - now }
  end
  -- Half-open: one call finds out for all. A probe that died frees the way when its slot ends.
  if pause[3] and redis.call('ZSCORE', slotsKey, pause[3]) then return { 'blocked', PROBE_WAIT_MS } end
end

local calls = liveCalls()
if calls.sum + 1 > q.cap then
  local seen, wait = 0, q.windowMs
  eachBucket(calls.head, calls.current, function(i, count)
    seen = seen + count
    if calls.sum + 1 - seen > q.cap then return false end
    wait = (i + 1) * q.bucketMs + q.windowMs - now
    return true
  end)
  return { 'budget', wait }
end

-- An urgent caller that found no slot leaves a short-lived mark; as many slots are kept for the urgent as there are marks.
redis.call('ZREMRANGEBYSCORE', waitingKey, '-inf', int(now))
redis.call('ZREMRANGEBYSCORE', waitingKey, '(' .. int(now + q.markMs), '+inf')
local free = q.concurrency - taken
if q.urgent then
  if free < 1 then
    redis.call('ZADD', waitingKey, int(now + q.markMs), q.waiter)
    redis.call('PEXPIRE', waitingKey, int(KEEP_MS))
    return { 'slots', 0 }
  end
  redis.call('ZREM', waitingKey, q.waiter)
elseif free <= redis.call('ZCARD', waitingKey) then
  return { 'slots', 0 }
end

redis.call('HINCRBY', callsKey, int(calls.current), 1)
redis.call('PEXPIRE', callsKey, int(math.max(q.windowMs + 2 * q.bucketMs, KEEP_MS)))
redis.call('HSET', stateKey, 'sum', int(calls.sum + 1), 'head', int(calls.head), 'newest', int(calls.current), 'bucketMs', int(q.bucketMs))
if pause[1] then redis.call('HSET', stateKey, 'probe', q.slot) end
keepState(pause[1] and now or nil)
redis.call('ZADD', slotsKey, int(now + q.holdMs), q.slot)
redis.call('PEXPIRE', slotsKey, int(math.max(2 * q.holdMs, KEEP_MS)))
for _, note in ipairs(q.notes) do
  redis.call('HSET', note.key, note.field, (string.gsub(note.value, '"%$now"', int(now))))
end
return { 'granted', now }
