-- Stores what operators decided about customers. KEYS[1] prefix. ARGV[1] JSON: by, requestId, rows (list of {customerId, decision, reference}).
-- Answers one word for each row: 'accepted', 'already', or why not: 'unknown', 'taken' (the reference is another customer's, or approved for one),
-- 'owned' (the customer carries the reference of somebody in the directory), 'sent' (another link of it is under way), 'applied' (another link of it is done).
-- A link that is done and whose reference the customer no longer carries was undone at Maxio, and binds nobody.
local p = KEYS[1]
local q = cjson.decode(ARGV[1])
--#include now
--#include audit
local pass = redis.call('HGET', p .. 'index', 'current')
local base = p .. 'index:' .. (pass or '') .. ':'

local function forget(id, link)
  if redis.call('HGET', p .. 'linkReferences', link.reference) == id then redis.call('HDEL', p .. 'linkReferences', link.reference) end
  redis.call('HDEL', p .. 'links', id)
  redis.call('ZREM', p .. 'linkQueue', id)
  redis.call('ZREM', p .. 'linkFailures', id)
end

local function letGoOn(reference)
  local person = redis.call('HGET', p .. 'references', reference)
  if person then redis.call('ZADD', p .. 'linkWaiters', now, person) end
end

local function tell(what, row)
  local person = redis.call('HGET', p .. 'references', row.reference) or ''
  local entry = { kind = 'operator', what = what, actor = q.by, customer = row.customerId, requestId = q.requestId }
  appendAudit(p, person, cjson.encode(entry), now, 0)
end

local function decide(row)
  local id, reference = row.customerId, row.reference
  local text = pass and redis.call('HGET', base .. 'customers', id)
  if not text then return 'unknown' end
  local customer = cjson.decode(text)
  local had = redis.call('HGET', p .. 'links', id)
  local link = had and cjson.decode(had)
  local apart = id .. ':' .. reference
  local done = link and link.state == 'applied' and customer.ref == link.reference

  if row.decision == 'separate' then
    if redis.call('HEXISTS', p .. 'separate', apart) == 1 then return 'already' end
    if link and link.reference == reference then
      if done then return 'applied' end
      if link.state == 'approved' and link.sentAtMs then return 'sent' end
      forget(id, link)
    end
    redis.call('HSET', p .. 'separate', apart, cjson.encode({ by = q.by, atMs = now }))
    letGoOn(reference)
    tell('separate', row)
    return 'accepted'
  end

  if customer.ref == reference then return 'already' end
  if link and link.reference == reference and link.state == 'approved' then return 'already' end
  if type(customer.ref) == 'string' and redis.call('HEXISTS', p .. 'references', customer.ref) == 1 then return 'owned' end
  if done then return 'applied' end
  if link and link.state == 'approved' and link.sentAtMs then return 'sent' end
  local holder = redis.call('HGET', base .. 'references', reference)
  local promised = redis.call('HGET', p .. 'linkReferences', reference)
  if (holder and holder ~= id) or (promised and promised ~= id) then return 'taken' end
  if link then forget(id, link) end
  redis.call('HDEL', p .. 'separate', apart)
  redis.call('HSET', p .. 'links', id, cjson.encode({ reference = reference, state = 'approved', by = q.by, atMs = now }))
  redis.call('HSET', p .. 'linkReferences', reference, id)
  redis.call('ZADD', p .. 'linkQueue', now, id)
  tell('approve-link', row)
  return 'accepted'
end

local answer = {}
for i, row in ipairs(q.rows) do answer[i] = decide(row) end
return answer
