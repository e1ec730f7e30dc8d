-- Gives back the right to act for one person, if this run still has it. KEYS[1] prefix. ARGV: user id, token, '1' when the person has come to an end.
local lease = KEYS[1] .. 'lease:' .. ARGV[1]
if redis.call('GET', lease) ~= ARGV[2] then return 0 end
redis.call('SREM', KEYS[1] .. 'begun', ARGV[1])
if ARGV[3] == '1' then redis.call('HDEL', KEYS[1] .. 'unfinished', ARGV[1]) end
return redis.call('DEL', lease)
