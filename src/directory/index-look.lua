-- What the survey index and the operators' decisions say about one person who has no customer yet. KEYS[1] prefix.
-- ARGV: the person's reference, then the keys of their folded addresses. Answers false without a finished survey, else
-- {customer id approved for this reference or '', 'approved' while that link is not carried out, 'applied' after, id and text of the customer with this
-- reference (or '', ''), then id and text of each stranger}:
-- customers with one of the addresses that carry nobody's reference and about which nothing was decided in favour of somebody else in the directory.
local p, reference = KEYS[1], ARGV[1]
local pass = redis.call('HGET', p .. 'index', 'current')
if not pass then return false end
local base = p .. 'index:' .. pass .. ':'
local approved = redis.call('HGET', p .. 'linkReferences', reference)
local decision = approved and redis.call('HGET', p .. 'links', approved)
local answer = { approved or '', decision and cjson.decode(decision).state or '', '', '' }
local ours = redis.call('HGET', base .. 'references', reference)
if ours then
  answer[3] = ours
  answer[4] = redis.call('HGET', base .. 'customers', ours) or ''
end
local function isStranger(id, text)
  if id == ours or redis.call('HEXISTS', p .. 'separate', id .. ':' .. reference) == 1 then return false end
  local row = cjson.decode(text)
  if type(row.ref) == 'string' and redis.call('HEXISTS', p .. 'references', row.ref) == 1 then return false end
  local decided = redis.call('HGET', p .. 'links', id)
  if not decided then return true end
  local link = cjson.decode(decided)
  if link.reference == reference or link.state == 'failed' then return true end
  -- A reference that nobody has may be one that a spreadsheet has changed: then it is this person's customer after all.
  return redis.call('HEXISTS', p .. 'references', link.reference) == 0
end
local seen = {}
for i = 2, #ARGV do
  for _, member in ipairs(redis.call('ZRANGEBYLEX', base .. 'emails', '[' .. ARGV[i] .. ':', '(' .. ARGV[i] .. ';')) do
    local id = string.sub(member, #ARGV[i] + 2)
    local text = not seen[id] and redis.call('HGET', base .. 'customers', id)
    seen[id] = true
    if text and isStranger(id, text) then
      answer[#answer + 1] = id
      answer[#answer + 1] = text
    end
  end
end
return answer
