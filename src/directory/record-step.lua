-- Closes a step after its answer: what is now known of Maxio, the open steps that remain, the audit entry. Only the holder of the lease may.
-- KEYS[1] prefix. ARGV: id, lease token, link JSON ('null' = none), open steps JSON, audit JSON ('' = none), generation,
-- what the person brings in a month in cents, schema version. Answers 1, or 2 when the person is wanted active by now, or 0 when the lease is lost: then the step
-- stays open and the next run observes it.
local p, id = KEYS[1], ARGV[1]
if redis.call('GET', p .. 'lease:' .. id) ~= ARGV[2] then return 0 end
--#include now
local key = p .. 'user:' .. id
--#include schema
raiseSchema(p, key, ARGV[8])
redis.call('HSET', key, 'link', ARGV[3], 'open', ARGV[4])
--#include audit
--#include guard
local state = redis.call('HMGET', key, 'active', 'deleted', 'hold', 'cents', 'leaveWhat', 'lostCents')
local active = state[1] == '1' and state[2] ~= '1'
local more = tonumber(ARGV[7]) - tonumber(state[4] or '0')
if more ~= 0 then
  redis.call('HSET', key, 'cents', ARGV[7])
  if active and state[5] == 'product' and more < 0 then
    -- What was lost has been taken off when it was; what ends now is that, as far as it goes.
    local ended = math.min(-more, tonumber(state[6] or '0'))
    if ended > 0 then redis.call('HINCRBY', key, 'lostCents', string.format('%.0f', -ended)) end
    if state[3] == 'held' then addCents('heldCents', -ended) end
    addCents('activeCents', more + ended)
  elseif active then
    addCents('activeCents', more)
  elseif state[3] == 'held' then addCents('heldCents', more) end
end
if ARGV[5] ~= '' then appendAudit(p, id, ARGV[5], now, tonumber(ARGV[6])) end
return active and 2 or 1
