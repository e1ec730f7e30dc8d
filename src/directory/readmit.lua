-- An operator says that somebody who was erased is back: the mark binds nobody any more, and who waits for that goes on.
-- KEYS[1] prefix. ARGV: id, mark, whose word it is, audit JSON. Answers 1.
local p, id = KEYS[1], ARGV[1]
local key = p .. 'user:' .. id
--#include now
--#include audit
redis.call('HSET', p .. 'erased', ARGV[2], cjson.encode({ atMs = now, by = ARGV[3], readmitted = true }))
local state = redis.call('HMGET', key, 'gen', 'active', 'deleted')
if redis.call('ZREM', p .. 'parked', id) == 1 then
  redis.call('HDEL', key, 'run')
  redis.call('ZADD', p .. 'dirty', 'NX', now, id)
  if state[2] ~= '1' or state[3] == '1' then redis.call('ZADD', p .. 'urgent', 'NX', now, id) end
end
appendAudit(p, id, ARGV[4], now, tonumber(state[1] or '0'))
return 1
