-- A worker process says what its environment wants, and hears by what it has to act. KEYS[1] prefix. ARGV: instance, environment JSON, author,
-- Redis TIME of its start ('' the first time: now), how long a process that says nothing counts as alive (ms).
-- The environment of the process that started last among those alive is the wanted one: old processes beside new ones in a rolling upgrade, or their
-- restarts, end with them. The first environment ever seen is applied as it is.
-- Answers {start of this process, applied JSON, wanted JSON, author of the wanted one, candidate JSON or ''}.
local p = KEYS[1]
local key = p .. 'configuration'
--#include now
local started = ARGV[4] == '' and now or tonumber(ARGV[4])
redis.call('HSET', key, 'live:' .. ARGV[1], cjson.encode({ started = started, seen = now, environment = ARGV[2], author = ARGV[3] }))
if redis.call('HSETNX', key, 'applied', ARGV[2]) == 1 then
  redis.call('HSET', key, 'appliedBy', ARGV[3], 'appliedAtMs', now)
end
local wanted = { started = -1 }
local all = redis.call('HGETALL', key)
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 5) == 'live:' then
    local live = cjson.decode(all[i + 1])
    if live.seen < now - tonumber(ARGV[5]) then
      redis.call('HDEL', key, all[i])
    elseif live.started > wanted.started or (live.started == wanted.started and live.environment > wanted.environment) then
      wanted = live
    end
  end
end
return { started, redis.call('HGET', key, 'applied'), wanted.environment, wanted.author, redis.call('HGET', key, 'candidate') or '' }
