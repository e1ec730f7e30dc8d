-- Ends a run. Settles only if the generation is still the one that was read, so no acknowledged change is ever marked done unseen.
-- KEYS[1] prefix. ARGV: id, lease token, generation, outcome, run JSON (gains atMs and, with a wait, nextAttemptAtMs), wait in ms ('' = none), audit JSON ('' = none),
-- what was decided about the leave when the run began ('' = nothing), '1' where the run has acted on losses of products ('' = not), then of each hash field that the end rests on: key, field, text as it was ('' = none).
-- Answers {'ok', first moment of dirtiness or 0, now} | {'fenced'} | {'moved'}.
local p, id = KEYS[1], ARGV[1]
if redis.call('GET', p .. 'lease:' .. id) ~= ARGV[2] then return { 'fenced' } end
local key = p .. 'user:' .. id
local generation = tonumber(ARGV[3])
--#include now
local state = redis.call('HMGET', key, 'gen', 'settled', 'hold')
local outcome = ARGV[4]
--#include audit
--#include guard
-- By the configuration that is acted by now there may be more to do, and who is at work is not planned again for it.
if outcome == 'settled' or outcome == 'parked' then
  for i = 10, #ARGV, 3 do
    if (redis.call('HGET', ARGV[i], ARGV[i + 1]) or '') ~= ARGV[i + 2] then return { 'moved' } end
  end
end
if outcome == 'settled' and generation > tonumber(state[2] or '0') then redis.call('HSET', key, 'settled', generation) end
if tonumber(state[1]) ~= generation then return { 'moved' } end
-- The guard or an operator came while this run was at work. What is done already needs no decision; anything else begins anew from it: somebody
-- approved meanwhile must not wait out a grace that no longer applies. A run that began with a held loss of a product has done everything but that.
if (state[3] or '') ~= ARGV[8] and (outcome ~= 'settled' or ARGV[8] == 'held') then return { 'moved' } end
if state[3] == 'held' and ARGV[8] ~= 'held' then
  leaveHold(id)
  redis.call('HDEL', key, 'hold', 'holdNote')
end

local run = cjson.decode(ARGV[5])
run.atMs = now
if ARGV[6] ~= '' then run.nextAttemptAtMs = now + tonumber(ARGV[6]) end
redis.call('HSET', key, 'run', cjson.encode(run))
local since = redis.call('ZSCORE', p .. 'dirty', id) or 0
if outcome == 'settled' or outcome == 'parked' then
  redis.call('ZREM', p .. 'dirty', id)
  redis.call('ZREM', p .. 'urgent', id)
  redis.call('ZREM', p .. 'due', id)
end
if outcome == 'settled' then
  -- Outlives the run, which ends with the next change.
  redis.call('HSET', key, 'settledAt', now)
  if ARGV[9] == '1' then lossIsDone(id) end
  redis.call('ZREM', p .. 'parked', id)
end
if outcome == 'parked' then redis.call('ZADD', p .. 'parked', 'NX', now, id) end
if ARGV[6] ~= '' then redis.call('ZADD', p .. 'due', now + tonumber(ARGV[6]), id) end
if ARGV[7] ~= '' then appendAudit(p, id, ARGV[7], now, generation) end
return { 'ok', since, now }
