-- Holds a leave that was acknowledged before this data was lost or set back and is not applied yet: the person may have come back since.
-- KEYS[1] prefix. ARGV: id, leaves before this moment. Answers 1 or 0.
local p, id = KEYS[1], ARGV[1]
local state = redis.call('HMGET', p .. 'user:' .. id, 'leaveAt', 'hold', 'leaveWhat', 'lost')
if state[3] == 'product' and not state[4] then return 0 end
if not state[1] or tonumber(state[1]) >= tonumber(ARGV[2]) or (state[2] and state[2] ~= 'approved') then return 0 end
--#include now
--#include audit
--#include guard
redis.call('HDEL', p .. 'user:' .. id, 'run')
holdLeave(id, 'restored')
return 1
