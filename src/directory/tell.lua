-- Appends an audit entry that comes with no other change. KEYS[1] prefix. ARGV: user id ('' = the site), generation, audit JSON.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
--#include audit
appendAudit(KEYS[1], ARGV[1], ARGV[3], now, tonumber(ARGV[2]))
return 1
