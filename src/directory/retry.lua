-- An operator's retry: parked people become dirty again, with the moment of parking forgotten and the generation unchanged.
-- KEYS[1] prefix. ARGV: id, audit JSON. Answers 1, or 0 when the person is not parked, or held or exempt: that is another decision.
local p, id = KEYS[1], ARGV[1]
local key = p .. 'user:' .. id
local state = redis.call('HMGET', key, 'active', 'deleted', 'gen', 'hold', 'leaveWhat')
local decides = state[5] ~= 'product' and (state[4] == 'held' or state[4] == 'exempt')
if decides or redis.call('ZREM', p .. 'parked', id) == 0 then return 0 end
--#include now
redis.call('HDEL', key, 'run')
redis.call('ZADD', p .. 'dirty', 'NX', now, id)
if state[1] ~= '1' or state[2] == '1' then redis.call('ZADD', p .. 'urgent', 'NX', now, id) end
--#include audit
appendAudit(p, id, ARGV[2], now, tonumber(state[3]))
return 1
