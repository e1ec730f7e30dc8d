-- Gives the right to act for one person to one run. KEYS[1] prefix. ARGV: user id, token, lease in ms.
-- Whoever took it and never gave it back has died or stood still; that is counted until the person comes to an end.
-- Answers { 1 when taken or 0, how often that has happened, 1 when it was the last one to whom it happened or 0 }.
local lease = KEYS[1] .. 'lease:' .. ARGV[1]
if not redis.call('SET', lease, ARGV[2], 'NX', 'PX', ARGV[3]) then return { 0, 0, 0 } end
if redis.call('SADD', KEYS[1] .. 'begun', ARGV[1]) == 0 then
  return { 1, redis.call('HINCRBY', KEYS[1] .. 'unfinished', ARGV[1], 1), 1 }
end
return { 1, tonumber(redis.call('HGET', KEYS[1] .. 'unfinished', ARGV[1]) or 0), 0 }
