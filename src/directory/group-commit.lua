-- Commits one change of a group: its attributes, who joins and who goes, in both directions, the labels and indexes, one audit entry. All or nothing.
-- KEYS[1] prefix. ARGV[1] the change (JSON: id; expected: the generation it was decided on, 0 for a new group, none where only members come and go;
-- name, xi; replace, add, remove: ids of people; request, version, membersMax, groupsMax, write, guard, epoch and seq the process knows);
-- ARGV[2] the attributes, stored as they are ('' = unchanged), ARGV[3] the label, ARGV[4] the audit entry (flat JSON without empty lists, gains counts).
-- Answers {'ok', generation, modified, created, size, seq of the audit entry, why the guard has tripped by this very change or '', lane, id, lane, id ...
-- to ring} | {'same', generation, modified, created, size} | {'moved'} | {'gone'} | {'taken', id} | {'unknown', how many, up to 5 ids} | {'nested', id} |
-- {'large', most members} | {'many', id of a person} | {'newer', version} | {'lost'}.
local p = KEYS[1]
local change = cjson.decode(ARGV[1])
local id = change.id
local key, members = p .. 'group:' .. id, p .. 'members:' .. id
--#include now
--#include groups-of
--#include same-data

local old = redis.call('HMGET', key, 'gen', 'v', 'name', 'xi', 'created', 'modified', 'size')
local generation = tonumber(old[1] or '0')
if old[2] and tonumber(old[2]) > change.version then return { 'newer', old[2] } end
if generation == 0 and change.expected ~= 0 then return { 'gone' } end
if change.expected and generation ~= change.expected then return { 'moved' } end
local renamed = ARGV[2] ~= ''
if renamed then
  local holder = redis.call('HGET', p .. 'groupNames', change.name)
  if holder and holder ~= id then return { 'taken', holder } end
end

-- Who is new, and who goes. Somebody who is a member is somebody who exists.
local joining = missingFrom(members, change.add)
local strangers = missingFrom(p .. 'order', joining)
if #strangers > 0 then
  if redis.call('HEXISTS', p .. 'groupLabels', strangers[1]) == 1 then return { 'nested', strangers[1] } end
  return { 'unknown', #strangers, unpack(strangers, 1, math.min(5, #strangers)) }
end
local leaving = {}
if change.replace then
  local stays = {}
  for _, one in ipairs(change.add) do stays[one] = true end
  for _, one in ipairs(redis.call('ZRANGE', members, 0, -1)) do
    if not stays[one] then leaving[#leaving + 1] = one end
  end
else
  local absent = {}
  for _, one in ipairs(missingFrom(members, change.remove)) do absent[one] = true end
  for _, one in ipairs(change.remove) do
    if not absent[one] then leaving[#leaving + 1] = one end
  end
end
local size = tonumber(old[7] or '0') + #joining - #leaving
if #joining > 0 and size > change.membersMax then return { 'large', change.membersMax } end
if not renamed and #joining == 0 and #leaving == 0 then return { 'same', generation, old[6], old[5], size } end
local before = {}
for _, one in ipairs(joining) do
  before[one] = groupsOf(one)
  if #before[one] >= change.groupsMax then return { 'many', one } end
end
for _, one in ipairs(leaving) do before[one] = groupsOf(one) end

-- Nothing is refused from here on.
generation = generation + 1
local created = old[5] or tostring(now)
local label = redis.call('HGET', p .. 'groupLabels', id) or nil
if renamed then
  if old[3] and old[3] ~= change.name then redis.call('HDEL', p .. 'groupNames', old[3]) end
  redis.call('HSET', p .. 'groupNames', change.name, id)
  if old[4] and old[4] ~= '' and old[4] ~= change.xi then redis.call('SREM', p .. 'groupExternalId:' .. old[4], id) end
  if change.xi ~= '' then redis.call('SADD', p .. 'groupExternalId:' .. change.xi, id) end
  redis.call('HSET', p .. 'groupLabels', id, ARGV[3])
  redis.call('HSET', key, 'id', id, 'attrs', ARGV[2], 'name', change.name, 'xi', change.xi)
end
if generation == 1 then
  redis.call('ZADD', p .. 'groupOrder', redis.call('INCR', p .. 'groupSequence'), id)
  redis.call('HSET', key, 'created', created)
end
redis.call('HSET', key, 'v', change.version, 'gen', generation, 'modified', now, 'write', change.write, 'request', change.request, 'size', size)

local last = redis.call('HINCRBY', key, 'memberSequence', #joining) - #joining
joinAll(members, joining, last)
leaveAll(members, leaving)

--#include audit
local entry = cjson.decode(ARGV[4])
entry.group, entry.added, entry.removed, entry.size = id, #joining, #leaving, size
appendAudit(p, '', cjson.encode(entry), now, 0)
seq = seq + 1

--#include guard
--#include schema
--#include membership
wasKnownAs(id, old[3], old[4])
-- Another name may be another plan: then those who stay are asked about, too.
local staying = {}
if renamed and label and label ~= ARGV[3] and labelMatters(id) then staying = redis.call('ZRANGE', members, 0, -1) end
local answer = { 'ok', generation, now, created, size, seq, '' }
local function told(one, was, is)
  local lane = membershipChanged(one, was, is)
  if not lane then return end
  answer[#answer + 1] = lane
  answer[#answer + 1] = one
end
for _, one in ipairs(joining) do
  local after = withGroup(before[one], id)
  setGroups(one, after)
  told(one, before[one], after)
end
for _, one in ipairs(leaving) do
  local after = withoutGroup(before[one], id)
  setGroups(one, after)
  told(one, before[one], after)
end
for _, one in ipairs(staying) do
  if not before[one] then
    local groups = groupsOf(one)
    told(one, groups, groups)
  end
end
answer[7] = membershipsWeighed()
return answer
