-- Moves the configuration of a site, audited, if it still is what the decision rests on. KEYS[1] prefix. ARGV: what ('propose' | 'withdraw' | 'apply'),
-- applied JSON as it was, candidate JSON as it was ('' = none), the environment JSON it is about, by whom this was decided, author of the environment,
-- what changes (JSON, '' = nothing), audit JSON. Answers 1, or 0 when somebody else was faster.
local p = KEYS[1]
local key = p .. 'configuration'
--#include now
local known = redis.call('HMGET', key, 'applied', 'candidate')
if known[1] ~= ARGV[2] or (known[2] or '') ~= ARGV[3] then return 0 end
redis.call('HDEL', key, 'candidate', 'candidateBy', 'candidateAtMs', 'changes')
if ARGV[1] == 'propose' then
  redis.call('HSET', key, 'candidate', ARGV[4], 'candidateBy', ARGV[6], 'candidateAtMs', now, 'changes', ARGV[7])
elseif ARGV[1] == 'apply' then
  redis.call('HSET', key, 'applied', ARGV[4], 'appliedBy', ARGV[6], 'approvedBy', ARGV[5], 'appliedAtMs', now, 'replan', '1')
end
--#include audit
appendAudit(p, '', ARGV[8], now, 0)
return 1
