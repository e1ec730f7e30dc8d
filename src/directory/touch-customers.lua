-- Remembers a webhook by its id, and which customers it says have changed. KEYS[1] prefix. ARGV: digest of the id, seconds to remember it,
-- then for each customer: id, what the message says, on one line. Answers 1, or 0 when the id was here before.
local p = KEYS[1]
--#include now
if not redis.call('SET', p .. 'webhook:' .. ARGV[1], '1', 'NX', 'EX', ARGV[2]) then return 0 end
for i = 3, #ARGV, 2 do
  local id = ARGV[i]
  -- The first moment: several messages of one change are looked into together, and a stream of them cannot put it off for ever.
  redis.call('ZADD', p .. 'touched', 'NX', now, id)
  local said = redis.call('HGET', p .. 'touchedNews', id)
  local news = said and (said .. '\n' .. ARGV[i + 1]) or ARGV[i + 1]
  -- Too much to keep: then it counts as unknown, and the customer is read.
  if #news > 16000 then news = '?' end
  redis.call('HSET', p .. 'touchedNews', id, news)
end
return 1
