-- Ends the waiting of a pause, not the pause: the next call finds out for all. ARGV[1]: why, windowMs, bucketMs, holdMs. Answers 1, or 0 when it is not paused for that.
--#include budget-state
if redis.call('HGET', stateKey, 'why') ~= q.why then return 0 end
redis.call('HSET', stateKey, 'blockedUntil', int(now))
return 1
