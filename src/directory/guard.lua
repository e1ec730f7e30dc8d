-- What the guard counts and what it holds back. For scripts with `p` (prefix), `now` and `audit`; a hold belongs to the leave, not to a generation.
-- Losses are people, not events: somebody who flaps is one entry, and none after coming back.
-- Somebody whose groups have taken a product away is a loss as well, and stays active: `leaveWhat` is 'product', and what they lose is in `lostCents`.
local GUARD_HOUR_MS, GUARD_DAY_MS, PRUNED_MAX = 3600000, 86400000, 1000
local guardKey = p .. 'guard'

local function addCents(field, cents)
  if cents ~= 0 then redis.call('HINCRBY', guardKey, field, string.format('%.0f', cents)) end
end

local function centsOf(id) return tonumber(redis.call('HGET', p .. 'user:' .. id, 'cents') or '0') end

-- What ends for the person: all they bring in, or what a group has taken away.
local function stakeOf(id)
  local stake = redis.call('HMGET', p .. 'user:' .. id, 'leaveWhat', 'lostCents', 'cents')
  return tonumber((stake[1] == 'product' and stake[2] or stake[3]) or '0')
end

local function since(ms) return string.format('%.0f', now - ms) end

local function forgetLoss(id)
  if redis.call('ZREM', p .. 'losses', id) == 0 then return end
  redis.call('ZREM', p .. 'productLosses', id)
  local cents = redis.call('HGET', p .. 'lossCents', id)
  if not cents then return end
  redis.call('HDEL', p .. 'lossCents', id)
  addCents('lossCents', -tonumber(cents))
end

local function addLoss(id)
  local cents = stakeOf(id)
  if redis.call('HGET', p .. 'user:' .. id, 'leaveWhat') == 'product' then
    redis.call('ZADD', p .. 'productLosses', now, id)
  else
    redis.call('SREM', p .. 'active', id)
    redis.call('ZREM', p .. 'productLosses', id)
  end
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
  -- Who has only lost a product is among the active still, and must not be counted twice.
  local hourBase = active + hour - redis.call('ZCOUNT', p .. 'productLosses', since(GUARD_HOUR_MS), '+inf')
  local dayBase = active + day - redis.call('ZCOUNT', p .. 'productLosses', since(GUARD_DAY_MS), '+inf')
  local why
  if hour * 100 > math.max(limits.floor * 100, limits.hourPercent * hourBase) then
    why = 'hour'
  elseif day * 100 > math.max(limits.floor * 100, limits.dayPercent * dayBase) then
    why = 'day'
  elseif dayBase > 20 then
    local cents = redis.call('HMGET', guardKey, 'lossCents', 'activeCents')
    local lost, left = tonumber(cents[1] or '0'), tonumber(cents[2] or '0')
    if lost * 100 > limits.revenuePercent * (left + lost) then why = 'revenue' end
  end
  return why, hour, day, active
end

local function holdLeave(id, why)
  -- Whoever stays goes on being worked for; only the loss waits.
  local gone = redis.call('HGET', p .. 'user:' .. id, 'leaveWhat') ~= 'product'
  for _, list in ipairs(gone and { 'dirty', 'urgent', 'due', 'parked' } or { 'due' }) do redis.call('ZREM', p .. list, id) end
  redis.call('ZADD', p .. 'held', 'NX', now, id)
  redis.call('HSET', p .. 'user:' .. id, 'hold', 'held', 'holdNote', string.format('{"why":"%s","atMs":%.0f}', why, now))
  addCents('heldCents', stakeOf(id))
  local generation = tonumber(redis.call('HGET', p .. 'user:' .. id, 'gen'))
  local what = gone and 'held' or 'held-loss'
  appendAudit(p, id, string.format('{"kind":"guard","what":"%s","why":"%s"}', what, why), now, generation)
end

-- The trip: whoever has left in the window and is not applied yet, parked people included, is held, except where an operator has decided.
local function trip(why, hour, day, active)
  redis.call('HSET', guardKey, 'trippedAtMs', now, 'why', why)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', p .. 'losses', since(GUARD_DAY_MS), '+inf')) do
    local state = redis.call('HMGET', p .. 'user:' .. id, 'hold', 'leaveWhat', 'lost')
    local parked = redis.call('ZSCORE', p .. 'parked', id)
    local waits = parked or redis.call('ZSCORE', p .. (state[2] == 'product' and 'dirty' or 'urgent'), id)
    -- A loss that is carried out is over, whatever else is to be done for the person.
    if state[2] == 'product' and not state[3] then waits = false end
    if waits and state[1] ~= 'approved' and state[1] ~= 'held' then
      -- Somebody who stays and is parked is so for another reason, which the hold does not mend.
      if not (parked and state[2] == 'product') then redis.call('HDEL', p .. 'user:' .. id, 'run') end
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
  addCents('heldCents', -stakeOf(id))
  if redis.call('ZCARD', p .. 'held') > 0 or redis.call('HDEL', guardKey, 'trippedAtMs', 'why') == 0 then return end
  redis.call('HDEL', guardKey, 'heldCents')
  if decided then
    redis.call('DEL', p .. 'losses', p .. 'productLosses', p .. 'lossCents')
    redis.call('HDEL', guardKey, 'lossCents')
  end
  appendAudit(p, '', '{"kind":"guard","what":"trip-ended"}', now, 0)
end

-- What was lost and is not ended yet belongs to what the active people bring in again.
local function restoreStake(id)
  local stake = redis.call('HMGET', p .. 'user:' .. id, 'leaveWhat', 'lostCents')
  if stake[1] ~= 'product' then return end
  addCents('activeCents', tonumber(stake[2] or '0'))
  redis.call('HDEL', p .. 'user:' .. id, 'lostCents')
end

-- Everything that a group has taken away is given again: nothing is left of the loss.
local function endLoss(id)
  forgetLoss(id)
  leaveHold(id)
  restoreStake(id)
  redis.call('ZREM', p .. 'exempt', id)
  redis.call('HDEL', p .. 'user:' .. id, 'leaveAt', 'leaveWhat', 'hold', 'holdNote', 'lost', 'spared', 'lossDone')
end

-- Everything about a loss is carried out. It goes on counting, but must not end what somebody at Maxio, or another list of rules, gives later.
local function lossIsDone(id)
  local key = p .. 'user:' .. id
  local state = redis.call('HMGET', key, 'leaveWhat', 'hold', 'lost', 'spared')
  if state[1] ~= 'product' or not state[3] or state[2] == 'held' or state[2] == 'exempt' then return end
  restoreStake(id)
  redis.call('HSET', key, 'lossDone', state[3], 'lostCents', 0)
  redis.call('HDEL', key, 'lost', 'hold', 'holdNote')
  if not state[4] then return end
  redis.call('HSET', key, 'hold', 'exempt')
  redis.call('ZADD', p .. 'exempt', 'NX', now, id)
end

-- Somebody who has lost a product leaves altogether. A hold stays a hold, of the leave from now on; what was approved or exempt was about the product only.
local function lossBecomesLeave(id)
  local key = p .. 'user:' .. id
  local state = redis.call('HMGET', key, 'leaveWhat', 'hold')
  if state[1] ~= 'product' then return false end
  forgetLoss(id)
  local held = state[2] == 'held'
  if held then addCents('heldCents', centsOf(id) - stakeOf(id)) end
  restoreStake(id)
  redis.call('ZREM', p .. 'exempt', id)
  redis.call('HDEL', key, 'leaveWhat', 'lost', 'spared', 'lossDone')
  if held then
    for _, list in ipairs({ 'dirty', 'urgent', 'due', 'parked' }) do redis.call('ZREM', p .. list, id) end
  else
    redis.call('HDEL', key, 'hold', 'holdNote')
  end
  return held
end
