-- Makes a settled person dirty again without a new generation, with what is to be believed of Maxio from now on: the normal plan does the rest.
-- KEYS[1] prefix. ARGV: id, generation that was read, link JSON ('' = as it is), lease token (needed with a link), audit JSON, schema version.
-- Answers 'done', or why not: 'moved' (newer intent or lost lease), 'pending' (a run will look anyway), 'held' or 'exempt'.
local p, id = KEYS[1], ARGV[1]
local key = p .. 'user:' .. id
--#include now
local state = redis.call('HMGET', key, 'gen', 'active', 'deleted', 'hold', 'unclaimed')
if state[1] ~= ARGV[2] or state[5] == '1' then return 'moved' end
if ARGV[3] ~= '' and redis.call('GET', p .. 'lease:' .. id) ~= ARGV[4] then return 'moved' end
local inactive = state[2] ~= '1' or state[3] == '1'
if inactive and (state[4] == 'held' or state[4] == 'exempt') then return state[4] end
if redis.call('ZSCORE', p .. 'dirty', id) or redis.call('ZSCORE', p .. 'parked', id) then return 'pending' end
--#include schema
-- Also where only the configuration is new: an older release does not know what rules for groups do, and would go on from this record without them.
raiseSchema(p, key, ARGV[6])
if ARGV[3] ~= '' then redis.call('HSET', key, 'link', ARGV[3]) end
redis.call('HDEL', key, 'run')
redis.call('ZADD', p .. 'dirty', 'NX', now, id)
if inactive then redis.call('ZADD', p .. 'urgent', 'NX', now, id) end
--#include audit
appendAudit(p, id, ARGV[5], now, tonumber(ARGV[2]))
return 'done'
