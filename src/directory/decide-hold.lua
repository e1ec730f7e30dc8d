-- An operator's word about one held leave: `approve` lets it be applied, `reject` keeps it from ever being applied until the person leaves anew.
-- KEYS[1] prefix. ARGV: id, 'approve' or 'reject', name of the operator, audit JSON. Answers 'done' | 'already' | 'not-held'.
local p, id = KEYS[1], ARGV[1]
local key = p .. 'user:' .. id
local state = redis.call('HMGET', key, 'hold', 'holdNote', 'gen')
if state[1] == 'approved' or state[1] == 'exempt' then return 'already' end
if state[1] ~= 'held' then return 'not-held' end
--#include now
--#include audit
--#include guard
local note = cjson.decode(state[2])
note.by, note.atMs = ARGV[3], now
redis.call('HSET', key, 'hold', ARGV[2] == 'approve' and 'approved' or 'exempt', 'holdNote', cjson.encode(note))
redis.call('HDEL', key, 'run')
forgetLoss(id)
leaveHold(id, true)
if ARGV[2] == 'approve' then
  redis.call('ZADD', p .. 'dirty', 'NX', now, id)
  redis.call('ZADD', p .. 'urgent', 'NX', now, id)
else
  redis.call('ZADD', p .. 'exempt', now, id)
end
appendAudit(p, id, ARGV[4], now, tonumber(state[3]))
return 'done'
