-- What the guard counts and what it holds back. For scripts with `p` (prefix), `now` and `audit`; a hold belongs to the leave, not to a generation.
-- Losses are people, not events: somebody who flaps is one entry, and none after coming back.
local GUARD_HOUR_MS, GUARD_DAY_MS, PRUNED_MAX = 3600000, 86400000, 1000
local guardKey = p .. 'guard'

local function addCents(field, cents)
  if cents ~= 0 then redis.call('HINCRBY', guardKey, field, string.format('%.0f', cents)) end
end

local function centsOf(id) return tonumber(redis.call('HGET', p .. 'user:' .. id, 'cents') or '0') end

local function since(ms) return string.format('%.0f', now - ms) end

local function forgetLoss(id)
  if redis.call('ZREM', p .. 'losses', id) == 0 then return end
  local cents = redis.call('HGET', p .. 'lossCents', id)
  if not cents then return end
  redis.call('HDEL', p .. 'lossCents', id)
  addCents('lossCents', -tonumber(cents))
end

local function addLoss(id)
  local cents = centsOf(id)
  redis.call('SREM', p .. 'active', id)
  redis.call('ZADD', p .. 'losses', now, id)
  if cents ~= 0 then
    redis.call('HSET', p .. 'lossCents', id, cents)
    addCents('lossCents', cents)
    addCents('activeCents', -cents)
  end
  redis.call('HSET', guardKey, 'lastLossMs', now)
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', p .. 'losses', '-inf', '(' .. since(GUARD_DAY_MS), 'LIMIT', 0, PRUNED_MAX)) do forgetLoss(old) end
end

-- Which limit the losses pass: 'hour', 'day', 'revenue' or nil; and the numbers it was weighed by.
local function weigh(limits)
  local hour = redis.call('ZCOUNT', p .. 'losses', since(GUARD_HOUR_MS), '+inf')
  local day = redis.call('ZCOUNT', p .. 'losses', since(GUARD_DAY_MS), '+inf')
  local active = redis.call('SCARD', p .. 'active')
  local why
  if hour * 100 > math.max(limits.floor * 100, limits.hourPercent * (active + hour)) then
    why = 'hour'
  elseif day * 100 > math.max(limits.floor * 100, limits.dayPercent * (active + day)) then
    why = 'day'
  elseif active + day > 20 then
    local cents = redis.call('HMGET', guardKey, 'lossCents', 'activeCents')
    local lost, left = tonumber(cents[1] or '0'), tonumber(cents[2] or '0')
    if lost * 100 > limits.revenuePercent * (left + lost) then why = 'revenue' end
  end
  return why, hour, day, active
end

local function holdLeave(id, why)
  for _, list in ipairs({ 'dirty', 'urgent', 'due', 'parked' }) do redis.call('ZREM', p .. list, id) end
  redis.call('ZADD', p .. 'held', 'NX', now, id)
  redis.call('HSET', p .. 'user:' .. id, 'hold', 'held', 'holdNote', string.format('{"why":"%s","atMs":%.0f}', why, now))
  addCents('heldCents', centsOf(id))
  local generation = tonumber(redis.call('HGET', p .. 'user:' .. id, 'gen'))
  appendAudit(p, id, string.format('{"kind":"guard","what":"held","why":"%s"}', why), now, generation)
end

-- The trip: whoever has left in the window and is not applied yet, parked people included, is held, except where an operator has decided.
local function trip(why, hour, day, active)
  redis.call('HSET', guardKey, 'trippedAtMs', now, 'why', why)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', p .. 'losses', since(GUARD_DAY_MS), '+inf')) do
    local waits = redis.call('ZSCORE', p .. 'urgent', id) or redis.call('ZSCORE', p .. 'parked', id)
    if waits and redis.call('HGET', p .. 'user:' .. id, 'hold') ~= 'approved' then
      redis.call('HDEL', p .. 'user:' .. id, 'run')
      holdLeave(id, why)
    end
  end
  local entry = '{"kind":"guard","what":"tripped","why":"%s","lossesHour":%d,"lossesDay":%d,"active":%d,"held":%d}'
  appendAudit(p, '', string.format(entry, why, hour, day, active, redis.call('ZCARD', p .. 'held')), now, 0)
end

-- The hold is over, by a decision or because the person is back. With the last one the trip ends. Only a decision lets counting begin anew:
-- else somebody who flaps would end trip after trip, and let a limit's worth of others through each time.
local function leaveHold(id, decided)
  if redis.call('ZREM', p .. 'held', id) == 0 then return end
  addCents('heldCents', -centsOf(id))
  if redis.call('ZCARD', p .. 'held') > 0 or redis.call('HDEL', guardKey, 'trippedAtMs', 'why') == 0 then return end
  redis.call('HDEL', guardKey, 'heldCents')
  if decided then
    redis.call('DEL', p .. 'losses', p .. 'lossCents')
    redis.call('HDEL', guardKey, 'lossCents')
  end
  appendAudit(p, '', '{"kind":"guard","what":"trip-ended"}', now, 0)
end
