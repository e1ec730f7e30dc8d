-- Sets the rules that take the place of those in the file, or takes them back. KEYS[1] prefix. ARGV: rules JSON ('' = back to the file), by whom, audit JSON.
-- Answers Redis TIME.
local p = KEYS[1]
local key = p .. 'groupPlans'
--#include now
--#include audit
-- One field: rules, who has set them and when come and go together, also out of an export.
local word = string.format('"by":%s,"atMs":%.0f}', cjson.encode(ARGV[2]), now)
if ARGV[1] == '' then
  -- Whoever has gone back is the author of what that changes.
  if redis.call('HDEL', key, 'set') == 1 then redis.call('HSET', key, 'reset', '{' .. word) end
else
  redis.call('HSET', key, 'set', '{"rules":' .. ARGV[1] .. ',' .. word)
end
appendAudit(p, '', ARGV[3], now, 0)
return now
