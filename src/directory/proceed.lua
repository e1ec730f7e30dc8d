-- Goes on with the recovery of a site, if it still stands where the caller has read it. KEYS[1] prefix. ARGV: epoch, recovery as read ('' = none),
-- recovery from now on ('' = over), audit JSON. None is opened under a site that acts. Answers 1 or 0.
local p = KEYS[1]
local key = p .. 'site'
local site = redis.call('HMGET', key, 'epoch', 'recovery')
if (site[1] or '') ~= ARGV[1] or (site[2] or '') ~= ARGV[2] then return 0 end
if ARGV[2] == '' and redis.call('HGET', p .. 'mode', 'mode') == 'enforce' then return 0 end
--#include now
--#include audit
if ARGV[3] == '' then redis.call('HDEL', key, 'recovery') else redis.call('HSET', key, 'recovery', ARGV[3]) end
appendAudit(p, '', ARGV[4], now, 0)
return 1
