-- The budget as it stands, for health, metrics and the ops page; writes nothing, so it also answers when Redis refuses writes.
-- ARGV[1]: windowMs, bucketMs, holdMs. Answers { calls in force, slots taken, rest of the pause in ms, why or '', streak,
-- ms until the oldest calls in force stop counting, or -1 }.
--#include budget-state
local stored = redis.call('HMGET', stateKey, 'why', 'blockedUntil', 'streak', 'sum', 'bucketMs')
local used, oldest = 0, nil
if tonumber(stored[5]) == q.bucketMs then
  local firstLive = math.floor((now - q.windowMs) / q.bucketMs)
  local all = redis.call('HGETALL', callsKey)
  for k = 1, #all, 2 do
    local bucket = tonumber(all[k])
    if bucket >= firstLive and tonumber(all[k + 1]) > 0 then
      used = used + tonumber(all[k + 1])
      oldest = math.min(oldest or bucket, bucket)
    end
  end
else
  used = tonumber(stored[4]) or 0
end
local blockedFor = math.max((tonumber(stored[2]) or 0) - now, 0)
local nextIn = oldest and math.max((oldest + 1) * q.bucketMs + q.windowMs - now, 0) or -1
return { used, redis.call('ZCOUNT', slotsKey, '(' .. int(now), '+inf'), blockedFor, stored[1] or '', tonumber(stored[3]) or 0, nextIn }
