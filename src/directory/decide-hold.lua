-- An operator's word about one held leave: `approve` lets it be applied, `reject` keeps it from ever being applied until the person leaves anew.
-- KEYS[1] prefix. ARGV: id, 'approve' or 'reject', name of the operator, audit JSON. Answers 'done' | 'already' | 'not-held'.
local p, id = KEYS[1], ARGV[1]
local key = p .. 'user:' .. id
local state = redis.call('HMGET', key, 'hold', 'holdNote', 'gen', 'leaveWhat', 'lost', 'spared')
local product = state[4] == 'product'
if state[1] == 'approved' or state[1] == 'exempt' then return 'already' end
if state[1] ~= 'held' then return 'not-held' end
--#include now
--#include audit
--#include guard
local note = cjson.decode(state[2])
note.by, note.atMs = ARGV[3], now
redis.call('HSET', key, 'hold', ARGV[2] == 'approve' and 'approved' or 'exempt', 'holdNote', cjson.encode(note))
-- Who stays and is parked is so for another reason: that is no business of a reject, and after an approval it is tried once more, or the loss would wait behind it.
local parked = product and redis.call('ZSCORE', p .. 'parked', id)
if not parked or ARGV[2] == 'approve' then redis.call('HDEL', key, 'run') end
forgetLoss(id)
leaveHold(id, true)
if ARGV[2] == 'approve' then
  if product then redis.call('ZREM', p .. 'parked', id) end
  redis.call('ZADD', p .. 'dirty', 'NX', now, id)
  if not product then redis.call('ZADD', p .. 'urgent', 'NX', now, id) end
else
  if product then
    -- Until a group gives it again the family is left alone, whatever is lost besides; what it brings in goes on being brought in.
    local spared = state[6] and cjson.decode(state[6]) or {}
    for family, atMs in pairs(cjson.decode(state[5])) do spared[family] = atMs end
    redis.call('HSET', key, 'spared', cjson.encode(spared))
    redis.call('HDEL', key, 'lost')
    restoreStake(id)
  end
  redis.call('ZADD', p .. 'exempt', now, id)
end
appendAudit(p, id, ARGV[4], now, tonumber(state[3]))
return 'done'
