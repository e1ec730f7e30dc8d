-- Removes a group: nobody is in it any more, its name is free. The people stay. KEYS[1] prefix. ARGV[1] the change (JSON: id, expected where If-Match
-- asks for a generation, request, version, guard, epoch and seq the process knows), ARGV[2] the audit entry (flat JSON, gains counts).
-- Answers {'ok', seq of the audit entry, why the guard has tripped by this very change or '', lane, id, lane, id ... to ring} | {'gone'} | {'moved'} |
-- {'newer', version} | {'lost'}.
local p = KEYS[1]
local change = cjson.decode(ARGV[1])
local id = change.id
local key, members = p .. 'group:' .. id, p .. 'members:' .. id
--#include now
--#include groups-of
--#include same-data

local old = redis.call('HMGET', key, 'gen', 'v', 'name', 'xi')
if not old[1] then return { 'gone' } end
if tonumber(old[2]) > change.version then return { 'newer', old[2] } end
if change.expected and tonumber(old[1]) ~= change.expected then return { 'moved' } end

local leaving = redis.call('ZRANGE', members, 0, -1)
redis.call('DEL', key, members)
redis.call('ZREM', p .. 'groupOrder', id)
redis.call('HDEL', p .. 'groupNames', old[3])
if old[4] ~= '' then redis.call('SREM', p .. 'groupExternalId:' .. old[4], id) end

--#include audit
local entry = cjson.decode(ARGV[2])
entry.group, entry.removed = id, #leaving
appendAudit(p, '', cjson.encode(entry), now, 0)
seq = seq + 1

--#include guard
--#include schema
--#include membership
wasKnownAs(id, old[3], old[4])
local answer = { 'ok', seq, '' }
for _, one in ipairs(leaving) do
  local before = groupsOf(one)
  local after = withoutGroup(before, id)
  setGroups(one, after)
  local lane = membershipChanged(one, before, after)
  if lane then
    answer[#answer + 1] = lane
    answer[#answer + 1] = one
  end
end
answer[3] = membershipsWeighed()
-- Last, so that what the group was known by can be looked up until here.
redis.call('HDEL', p .. 'groupLabels', id)
return answer
