-- Puts one group of an export into the directory, or more of its members. People come first: only those who are here become members.
-- KEYS[1] prefix. ARGV: row JSON (kind 'group': f: the fields of the group as they were, order, members, more: whether rows of members follow;
-- kind 'members': id, gen, members, more), schema version, audit JSON.
-- Answers 'added' | 'replaced' | 'kept' (what is here is as new) | 'conflict' (another group has the name) | 'newer' (a newer release) | 'filled'.
local p, row = KEYS[1], cjson.decode(ARGV[1])
local id = row.kind == 'group' and row.f.id or row.id
local key, members = p .. 'group:' .. id, p .. 'members:' .. id
--#include now
--#include audit
--#include groups-of
local answer = 'filled'
if row.kind == 'members' then
  if redis.call('HGET', key, 'filling') ~= row.gen then return 'kept' end
else
  local f = row.f
  if tonumber(f.v) > tonumber(ARGV[2]) then return 'newer' end
  local here = redis.call('HMGET', key, 'gen', 'name', 'xi', 'filling')
  -- What is left of a lost group is no group.
  if not here[2] then here = {} end
  -- One that an import has left half full is begun anew, unless somebody has changed it since.
  if here[1] and here[4] ~= here[1] and tonumber(here[1]) >= tonumber(f.gen) then return 'kept' end
  local named = redis.call('HGET', p .. 'groupNames', f.name)
  if named and named ~= id then return 'conflict' end
  answer = here[1] and 'replaced' or 'added'
  if here[1] then
    redis.call('HDEL', p .. 'groupNames', here[2])
    redis.call('SREM', p .. 'groupExternalId:' .. here[3], id)
    for _, one in ipairs(redis.call('ZRANGE', members, 0, -1)) do setGroups(one, withoutGroup(groupsOf(one), id)) end
    redis.call('DEL', key, members)
  end
  for name, value in pairs(f) do redis.call('HSET', key, name, value) end
  redis.call('HSET', p .. 'groupNames', f.name, id)
  if f.xi ~= '' then redis.call('SADD', p .. 'groupExternalId:' .. f.xi, id) end
  redis.call('HSET', p .. 'groupLabels', id, row.label)
  -- The place in lists is kept where it is free: two groups on one place would hide each other.
  local score = redis.call('ZSCORE', p .. 'groupOrder', id) or row.order
  if not here[1] then
    local last = tonumber(redis.call('GET', p .. 'groupSequence') or '0')
    if not score or redis.call('ZCOUNT', p .. 'groupOrder', score, score) > 0 then score = last + 1 end
    if tonumber(score) > last then redis.call('SET', p .. 'groupSequence', score) end
    redis.call('ZADD', p .. 'groupOrder', score, id)
  end
  appendAudit(p, '', ARGV[3], now, 0)
end

local strangers = {}
for _, one in ipairs(missingFrom(p .. 'order', row.members)) do strangers[one] = true end
local sequence = redis.call('ZCARD', members)
for _, one in ipairs(row.members) do
  if not strangers[one] then
    sequence = sequence + 1
    redis.call('ZADD', members, 'NX', sequence, one)
    setGroups(one, withGroup(groupsOf(one), id))
  end
end
redis.call('HSET', key, 'size', redis.call('ZCARD', members), 'memberSequence', sequence)
if row.more then
  redis.call('HSET', key, 'filling', redis.call('HGET', key, 'gen'))
else
  redis.call('HDEL', key, 'filling')
end
return answer
