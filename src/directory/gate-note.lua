-- Notes right tokens that came from a network which is not allowed. KEYS[1] prefix. ARGV: address of the last one, whose token, how many, after how many
-- ms without one a new story begins. Forgotten by itself a week after the last one.
local key = KEYS[1] .. 'strangers'
--#include now
local last = tonumber(redis.call('HGET', key, 'lastMs') or '-1')
if last < 0 or now - last > tonumber(ARGV[4]) then
  redis.call('DEL', key)
  redis.call('HSET', key, 'firstMs', string.format('%.0f', now))
end
redis.call('HINCRBY', key, 'times', ARGV[3])
redis.call('HSET', key, 'lastMs', string.format('%.0f', now), 'address', ARGV[1], 'actor', ARGV[2])
redis.call('PEXPIRE', key, 604800000)
return 1
