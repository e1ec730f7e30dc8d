-- Puts one person of an export into the directory, with every index. KEYS[1] prefix. ARGV: row JSON (f: the fields of the record as they were; order,
-- held, exempt, parked: their scores; dirty), schema version, audit JSON, a random word for the
-- audit trail, for whoever was exported without one.
-- Answers 'added' | 'replaced' | 'kept' (what is here is as new) | 'conflict' (somebody else has the reference or the userName) | 'newer' (a newer release).
local p, row = KEYS[1], cjson.decode(ARGV[1])
local f = row.f
local id = f.id
local key = p .. 'user:' .. id
--#include now
--#include audit
--#include guard
if tonumber(f.v) > tonumber(ARGV[2]) then return 'newer' end
local here = redis.call('HMGET', key, 'gen', 'unclaimed', 'un', 'xi', 'em', 'active', 'deleted')
local present = f.deleted ~= '1'
f.subject = redis.call('HGET', key, 'subject') or f.subject or ARGV[4]
if here[1] and (f.unclaimed == '1' or (here[2] ~= '1' and tonumber(here[1]) >= tonumber(f.gen))) then return 'kept' end
local holder = redis.call('HGET', p .. 'references', f.reference)
if holder and holder ~= id then return 'conflict' end
local named = present and redis.call('HGET', p .. 'userNames', f.un)
if named and named ~= id then return 'conflict' end

-- Memberships come with the rows of groups; whoever is here stays in theirs until then, and whoever is deleted leaves them.
local groups = here[1] and redis.call('HGET', key, 'groups') or nil
f.groups = present and groups or nil
if groups and not present then
  for _, group in ipairs(cjson.decode(groups)) do
    redis.call('ZREM', p .. 'members:' .. group, id)
    redis.call('HSET', p .. 'group:' .. group, 'modified', now, 'size', redis.call('ZCARD', p .. 'members:' .. group))
    redis.call('HINCRBY', p .. 'group:' .. group, 'gen', 1)
  end
end

local score = row.order
if here[1] then
  if redis.call('HGET', p .. 'userNames', here[3]) == id then redis.call('HDEL', p .. 'userNames', here[3]) end
  redis.call('SREM', p .. 'externalId:' .. here[4], id)
  for _, address in ipairs(cjson.decode(here[5])) do redis.call('SREM', p .. 'email:' .. address, id) end
  score = redis.call('ZSCORE', p .. 'order', id) or score
  restoreStake(id)
  if redis.call('SREM', p .. 'active', id) == 1 then addCents('activeCents', -centsOf(id)) end
  forgetLoss(id)
  leaveHold(id)
  for _, list in ipairs({ 'order', 'dirty', 'urgent', 'due', 'parked', 'exempt', 'unclaimed' }) do redis.call('ZREM', p .. list, id) end
  redis.call('DEL', key)
end

--#include schema
for name, value in pairs(f) do redis.call('HSET', key, name, value) end
raiseSchema(p, key, f.v)
redis.call('HSET', p .. 'references', f.reference, id)
if f.xi ~= '' then redis.call('SADD', p .. 'externalId:' .. f.xi, id) end
if present then
  redis.call('HSET', p .. 'userNames', f.un, id)
  for _, address in ipairs(cjson.decode(f.em)) do redis.call('SADD', p .. 'email:' .. address, id) end
  -- The place in lists is kept where it is free: two people on one place would hide each other.
  local last = tonumber(redis.call('GET', p .. 'sequence') or '0')
  if not score or redis.call('ZCOUNT', p .. 'order', score, score) > 0 then score = last + 1 end
  if tonumber(score) > last then redis.call('SET', p .. 'sequence', score) end
  redis.call('ZADD', p .. 'order', score, id)
end
local active = f.active == '1' and present
if active then
  redis.call('SADD', p .. 'active', id)
  addCents('activeCents', centsOf(id) - (f.leaveWhat == 'product' and tonumber(f.lostCents or '0') or 0))
end
for _, list in ipairs({ 'held', 'exempt', 'parked' }) do
  if row[list] then redis.call('ZADD', p .. list, row[list], id) end
end
if row.held then addCents('heldCents', stakeOf(id)) end
-- Whoever has only lost a product is worked for meanwhile.
local decided = f.leaveWhat ~= 'product' and (row.held or row.exempt)
if f.unclaimed == '1' then
  redis.call('ZADD', p .. 'unclaimed', now, id)
elseif not decided and not row.parked and (row.dirty or tonumber(f.gen) > tonumber(f.settled)) then
  redis.call('ZADD', p .. 'dirty', now, id)
  if not active then redis.call('ZADD', p .. 'urgent', now, id) end
end
appendAudit(p, id, ARGV[3], now, tonumber(f.gen))
return here[1] and 'replaced' or 'added'
