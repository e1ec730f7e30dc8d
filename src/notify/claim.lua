-- Replaces the state of one notice if it is still what the caller has read, so that of two processes one sends. KEYS[1] prefix.
-- ARGV: topic, the state that was read ('' = none), the new state ('' = none). Answers 1 or 0. States are opaque here.
local key = KEYS[1] .. 'notices'
if (redis.call('HGET', key, ARGV[1]) or '') ~= ARGV[2] then return 0 end
if ARGV[3] == '' then redis.call('HDEL', key, ARGV[1]) else redis.call('HSET', key, ARGV[1], ARGV[3]) end
return 1
