-- Replaces what is reported of one person, if it is still what the caller has read, and counts anew. A comparison that is at work learns of it by `driftPuts`.
-- KEYS[1] prefix. ARGV: person, rows as they were read (JSON, '' = none), rows (JSON, '' = none). Answers 1, or 0 when there are others by now.
local p, id = KEYS[1], ARGV[1]
if (redis.call('HGET', p .. 'driftRows', id) or '') ~= ARGV[2] then return 0 end
--#include now
--#include drift-count
local before = redis.call('HMGET', p .. 'drift', 'counts', 'exempts')
counts, exempts = cjson.decode(before[1] or '{}'), cjson.decode(before[2] or '{}')
if ARGV[2] ~= '' then count(cjson.decode(ARGV[2]), -1) end
if ARGV[3] ~= '' then
  count(cjson.decode(ARGV[3]), 1)
  redis.call('HSET', p .. 'driftRows', id, ARGV[3])
else
  redis.call('HDEL', p .. 'driftRows', id)
end
redis.call('ZADD', p .. 'driftPuts', now, id)
saveCounts()
return 1
