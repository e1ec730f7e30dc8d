-- Counts the whole window as used from now on: calls were made that nobody has counted, and the most there can have been is what is safe to assume.
-- ARGV[1]: limit, windowMs, bucketMs, holdMs. Answers how many were added.
--#include budget-state
local calls = liveCalls()
local more = math.max(0, q.limit - calls.sum)
if more == 0 then return 0 end
redis.call('HINCRBY', callsKey, int(calls.current), int(more))
redis.call('PEXPIRE', callsKey, int(math.max(q.windowMs + 2 * q.bucketMs, KEEP_MS)))
redis.call('HSET', stateKey, 'sum', int(calls.sum + more), 'head', int(calls.head), 'newest', int(calls.current), 'bucketMs', int(q.bucketMs))
keepState(nil)
return more
