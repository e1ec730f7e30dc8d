-- Erases one person: record, indexes, story, memberships, decisions of operators. What stays is a mark that is nobody's name, and the audit trail, whose
-- entries name the person by a word that only the record knew. KEYS[1] prefix. ARGV[1] JSON: id, expected (generation that was read), reference, mark,
-- check (of the key that made the mark), by (whose word it is); ARGV[2] the audit entry. Answers {'erased', groups left, customer id or ''}, or why not: {'missing'} | {'moved'} | {'active'} | {'held'} | {'exempt'} |
-- {'parked'} | {'unsettled'} | {'billed'} | {'busy'} | {'other-key'}.
local p = KEYS[1]
local q = cjson.decode(ARGV[1])
local id = q.id
local key = p .. 'user:' .. id
local old = redis.call('HMGET', key, 'gen', 'settled', 'active', 'deleted', 'un', 'xi', 'em', 'open', 'cents', 'groups', 'link', 'reference')
if not old[1] then return { 'missing' } end
if tonumber(old[1]) ~= q.expected or old[12] ~= q.reference then return { 'moved' } end
if old[3] == '1' and old[4] ~= '1' then return { 'active' } end
for _, list in ipairs({ 'held', 'exempt', 'parked' }) do
  if redis.call('ZSCORE', p .. list, id) then return { list } end
end
if redis.call('ZSCORE', p .. 'dirty', id) or tonumber(old[2] or '0') < q.expected or (old[8] or '[]') ~= '[]' then return { 'unsettled' } end
if tonumber(old[9] or '0') ~= 0 then return { 'billed' } end
if redis.call('EXISTS', p .. 'lease:' .. id) == 1 then return { 'busy' } end
local check = redis.call('HGET', p .. 'erased', 'key')
if check and check ~= q.check then return { 'other-key' } end

--#include now
--#include audit
--#include guard
--#include groups-of
redis.call('HSET', p .. 'erased', 'key', q.check, q.mark, cjson.encode({ atMs = now, by = q.by }))
appendAudit(p, id, ARGV[2], now, tonumber(old[1]))

local groups = groupsOf(id)
for _, group in ipairs(groups) do
  if redis.call('ZREM', p .. 'members:' .. group, id) == 1 then
    redis.call('HINCRBY', p .. 'group:' .. group, 'gen', 1)
    redis.call('HSET', p .. 'group:' .. group, 'modified', now, 'size', redis.call('ZCARD', p .. 'members:' .. group))
  end
end
if redis.call('HGET', p .. 'userNames', old[5]) == id then redis.call('HDEL', p .. 'userNames', old[5]) end
if old[6] ~= '' then redis.call('SREM', p .. 'externalId:' .. old[6], id) end
for _, address in ipairs(cjson.decode(old[7])) do redis.call('SREM', p .. 'email:' .. address, id) end
if redis.call('HGET', p .. 'references', q.reference) == id then redis.call('HDEL', p .. 'references', q.reference) end
for _, list in ipairs({ 'order', 'urgent', 'due', 'unclaimed', 'linkWaiters' }) do redis.call('ZREM', p .. list, id) end
for _, set in ipairs({ 'active', 'begun' }) do redis.call('SREM', p .. set, id) end
for _, hash in ipairs({ 'unfinished', 'driftRows', 'driftRows:new' }) do redis.call('HDEL', p .. hash, id) end
-- A comparison that is at work may have read the person: it learns that there is nothing left to report, and forgets the id with that.
if redis.call('HGET', p .. 'drift', 'state') == 'running' then
  redis.call('ZADD', p .. 'driftPuts', now, id)
else
  redis.call('ZREM', p .. 'driftPuts', id)
end
for _, field in ipairs(redis.call('HKEYS', p .. 'driftRepairs')) do
  if string.find(field, id, 1, true) then redis.call('HDEL', p .. 'driftRepairs', field) end
end
forgetLoss(id)

-- What operators have decided about this reference names it.
local customer = redis.call('HGET', p .. 'linkReferences', q.reference)
if customer then
  redis.call('HDEL', p .. 'linkReferences', q.reference)
  redis.call('HDEL', p .. 'links', customer)
  redis.call('ZREM', p .. 'linkQueue', customer)
  redis.call('ZREM', p .. 'linkFailures', customer)
end
local ending = ':' .. q.reference
for _, field in ipairs(redis.call('HKEYS', p .. 'separate')) do
  if string.sub(field, -#ending) == ending then redis.call('HDEL', p .. 'separate', field) end
end
-- A configuration that waits for approval shows examples by name, and a rebuild that is over still knows whom it was asked for.
local changes = redis.call('HGET', p .. 'configuration', 'changes')
if changes and string.find(changes, id, 1, true) then
  local told, others = cjson.decode(changes), {}
  for _, example in ipairs(told.examples) do
    if not string.find(example, id, 1, true) then others[#others + 1] = cjson.encode(example) end
  end
  local text = string.format('{"people":%.0f,"examples":[', told.people) .. table.concat(others, ',') .. ']}'
  redis.call('HSET', p .. 'configuration', 'changes', text)
end
local rebuild = redis.call('HGET', p .. 'rebuild', 'state')
if rebuild ~= 'wanted' and rebuild ~= 'running' then redis.call('HDEL', p .. 'rebuild', 'references') end
local link = old[11] and old[11] ~= 'null' and cjson.decode(old[11])
local customerId = link and link.customerId or ''
if customerId ~= '' then
  redis.call('ZREM', p .. 'touched', customerId)
  redis.call('HDEL', p .. 'touchedNews', customerId)
end
redis.call('DEL', key, p .. 'story:' .. id)
return { 'erased', #groups, customerId }
