-- Commits one change of desired state: record, indexes, generation + 1, dirty mark, audit entry. All or nothing.
-- KEYS[1] prefix of the site. ARGV[1] the change (JSON: id, expected, reference, un, xi, em, active, deleted, request, version,
-- backlogLimit, subject: a random word for the audit trail, kept by whoever has one; guard {floor, hourPercent, dayPercent, revenuePercent}, epoch and seq the process knows); ARGV[2] the attributes, stored as they are; ARGV[3] the audit entry (JSON
-- object, gains seq, at, generation).
-- Answers {'ok', generation, now, created, leaveAt or '', hold or '', holdNote or '', why the guard has tripped by this very change or ''} |
-- {'moved', generation} | {'taken', 'userName'|'reference', id} | {'full', n} | {'newer', version} | {'lost'}. After 'ok' last: seq of the audit entry.
local p = KEYS[1]
local change = cjson.decode(ARGV[1])
local id = change.id
local key = p .. 'user:' .. id
--#include now
--#include same-data

local old = redis.call('HMGET', key, 'gen', 'un', 'xi', 'em', 'deleted', 'v', 'created', 'active', 'leaveAt', 'hold', 'unclaimed', 'groups', 'leaveWhat')
local generation = tonumber(old[1] or '0')
local wasActive = old[8] == '1' and old[5] ~= '1'
local isActive = change.active and not change.deleted
if old[6] and tonumber(old[6]) > change.version then return { 'newer', old[6] } end
if generation ~= change.expected then return { 'moved', generation } end

if not change.deleted then
  local holder = redis.call('HGET', p .. 'userNames', change.un)
  if holder and holder ~= id then return { 'taken', 'userName', holder } end
end
if generation == 0 then
  local holder = redis.call('HGET', p .. 'references', change.reference)
  if holder and holder ~= id then return { 'taken', 'reference', holder } end
end
-- The backlog limit is for those who would be billed; whoever leaves passes it.
if isActive and not redis.call('ZSCORE', p .. 'dirty', id) and redis.call('ZCARD', p .. 'dirty') >= change.backlogLimit then
  return { 'full', change.backlogLimit }
end

-- Indexes: what changed leaves, what is new enters. A tombstone keeps only externalId and reference.
if old[2] and (change.deleted or old[2] ~= change.un) then
  if redis.call('HGET', p .. 'userNames', old[2]) == id then redis.call('HDEL', p .. 'userNames', old[2]) end
end
if not change.deleted then redis.call('HSET', p .. 'userNames', change.un, id) end
if old[3] and old[3] ~= '' and old[3] ~= change.xi then redis.call('SREM', p .. 'externalId:' .. old[3], id) end
if change.xi ~= '' then redis.call('SADD', p .. 'externalId:' .. change.xi, id) end
if old[4] then
  for _, address in ipairs(cjson.decode(old[4])) do redis.call('SREM', p .. 'email:' .. address, id) end
end
if not change.deleted then
  for _, address in ipairs(change.em) do redis.call('SADD', p .. 'email:' .. address, id) end
end
if change.deleted then
  redis.call('ZREM', p .. 'order', id)
elseif generation == 0 or old[5] == '1' then
  redis.call('ZADD', p .. 'order', redis.call('INCR', p .. 'sequence'), id)
end

generation = generation + 1
local created = old[7] or tostring(now)
if not old[1] then
  redis.call('HSET', p .. 'references', change.reference, id)
  redis.call('HSET', key, 'id', id, 'reference', change.reference, 'settled', 0, 'created', now, 'open', '[]')
end
--#include schema
raiseSchema(p, key, change.version)
redis.call('HSET', key, 'gen', generation, 'attrs', ARGV[2], 'un', change.un, 'xi', change.xi,
  'em', #change.em > 0 and cjson.encode(change.em) or '[]', 'active', change.active and '1' or '0',
  'deleted', change.deleted and '1' or '0', 'modified', now, 'request', change.request)
redis.call('HSETNX', key, 'subject', change.subject)
redis.call('HDEL', key, 'run')
-- Whoever is deleted leaves their groups; whoever is only inactive stays in them.
if change.deleted and old[12] then
  for _, group in ipairs(cjson.decode(old[12])) do
    local members = p .. 'members:' .. group
    if redis.call('ZREM', members, id) == 1 then
      redis.call('HINCRBY', p .. 'group:' .. group, 'gen', 1)
      redis.call('HSET', p .. 'group:' .. group, 'modified', now, 'size', redis.call('ZCARD', members))
    end
  end
  redis.call('HDEL', key, 'groups')
end
-- Somebody whom a rebuild has found at Maxio is a person again. Whoever is claimed as a leaver leaves now: the guard counts what they bring in.
local claimed = old[11] == '1'
if claimed then
  redis.call('HDEL', key, 'unclaimed')
  redis.call('ZREM', p .. 'unclaimed', id)
end

-- A hold outlives changes that do not bring the person back: a title, or a DELETE, is no decision about the leave.
local kept = not isActive and old[13] ~= 'product' and (old[10] == 'held' or old[10] == 'exempt')
if not kept then
  -- The score is the first moment of dirtiness, so that its age is honest.
  redis.call('ZADD', p .. 'dirty', 'NX', now, id)
  if isActive then
    redis.call('ZREM', p .. 'urgent', id)
  else
    redis.call('ZADD', p .. 'urgent', 'NX', now, id)
  end
end
redis.call('ZREM', p .. 'due', id)
redis.call('ZREM', p .. 'parked', id)

--#include audit
appendAudit(p, id, ARGV[3], now, generation)

--#include guard
--#include membership
local tripped = ''
if isActive and not wasActive then
  redis.call('SADD', p .. 'active', id)
  addCents('activeCents', centsOf(id))
  if old[9] then
    forgetLoss(id)
    leaveHold(id)
    redis.call('ZREM', p .. 'exempt', id)
    redis.call('HDEL', key, 'leaveAt', 'hold', 'holdNote')
  end
  if generation > 1 then membershipReturned(id, old[12] and cjson.decode(old[12]) or {}, generation) end
  tripped = membershipsWeighed()
elseif (wasActive or claimed) and not isActive then
  if claimed then addCents('activeCents', centsOf(id)) end
  if wasActive then membershipLeft(id, old[12] and cjson.decode(old[12]) or {}) end
  local heldBefore = lossBecomesLeave(id)
  redis.call('HSET', key, 'leaveAt', now)
  addLoss(id)
  local why = redis.call('HGET', guardKey, 'why')
  if heldBefore then
    -- The loss of a product waits for an operator; now the whole leave does.
    appendAudit(p, id, '{"kind":"guard","what":"held","why":"loss"}', now, generation)
  elseif why then
    holdLeave(id, why)
  else
    local hour, day, active
    why, hour, day, active = weigh(change.guard)
    if why then
      tripped = why
      trip(why, hour, day, active)
    end
  end
end
local leave = redis.call('HMGET', key, 'leaveAt', 'hold', 'holdNote', 'leaveWhat')
if leave[4] == 'product' then leave = {} end
return { 'ok', generation, now, created, leave[1] or '', leave[2] or '', leave[3] or '', tripped, seq + 1 }
