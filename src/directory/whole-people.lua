-- Counts people of whom a part is gone: who is listed without a record, and who has a record that no reference leads to. No change of ours leaves either behind:
-- each makes or removes both in one script. KEYS[1] prefix. ARGV: the index that lists them ('references', 'userNames', 'order'), '1' to tidy up as well,
-- then field and id of each. Whoever is only listed is forgotten then, and a reference that the record knows is put back; only while the site waits for an
-- operator. Answers how many.
local p, index, tidy = KEYS[1], ARGV[1], ARGV[2] == '1'
if tidy and redis.call('HEXISTS', p .. 'site', 'recovery') == 0 then return 0 end
local gone, loose = {}, 0
for i = 3, #ARGV, 2 do
  local field, id = ARGV[i], ARGV[i + 1]
  -- Asked again here: since the page was read the person may have been erased.
  local listed
  if index == 'order' then listed = redis.call('ZSCORE', p .. index, id) else listed = redis.call('HGET', p .. index, field) == id end
  local reference = listed and redis.call('HGET', p .. 'user:' .. id, 'reference')
  if listed and not reference then
    gone[#gone + 1] = id
    if tidy and index ~= 'order' then redis.call('HDEL', p .. index, field) end
  elseif listed and index ~= 'references' and redis.call('HEXISTS', p .. 'references', reference) == 0 then
    loose = loose + 1
    if tidy then redis.call('HSET', p .. 'references', reference, id) end
  end
end
if not tidy or #gone == 0 then return #gone + loose end

--#include now
--#include audit
--#include guard
-- The number of everybody there ever was must not fall by this: that would be one more loss.
if index == 'references' then redis.call('HINCRBY', p .. 'site', 'forgotten', #gone) end
for _, id in ipairs(gone) do
  -- A single field may have been written since.
  redis.call('DEL', p .. 'user:' .. id)
  forgetLoss(id)
  leaveHold(id)
  -- What the person brought in is gone with the record. The mean keeps the sum from counting for people who are not there.
  local actives = redis.call('SCARD', p .. 'active')
  if redis.call('SREM', p .. 'active', id) == 1 then
    addCents('activeCents', -math.floor(tonumber(redis.call('HGET', guardKey, 'activeCents') or '0') / actives))
  end
  for _, list in ipairs({ 'order', 'dirty', 'urgent', 'due', 'parked', 'exempt', 'unclaimed', 'linkWaiters' }) do
    redis.call('ZREM', p .. list, id)
  end
  redis.call('SREM', p .. 'begun', id)
  for _, hash in ipairs({ 'unfinished', 'driftRows' }) do redis.call('HDEL', p .. hash, id) end
end
-- Or they would join none of their groups again. A group is half full now, so an import may fill it.
for _, group in ipairs(redis.call('ZRANGE', p .. 'groupOrder', 0, -1)) do
  local members = p .. 'members:' .. group
  if redis.call('ZREM', members, unpack(gone)) > 0 and redis.call('HEXISTS', p .. 'group:' .. group, 'attrs') == 1 then
    local gen = redis.call('HINCRBY', p .. 'group:' .. group, 'gen', 1)
    redis.call('HSET', p .. 'group:' .. group, 'modified', now, 'size', redis.call('ZCARD', members), 'filling', gen)
  end
end
return #gone + loose
