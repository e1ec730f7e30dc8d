-- What a change of groups means for one person. For scripts with `p` (prefix), `now`, `change` (guard, version), and audit, guard and schema before this file.
-- The rules are those by which the site acts at this very moment, whatever the caller knows; where there are none nothing here is done.
-- Contract with group-commit.lua and group-remove.lua: `wasKnownAs` before anything else, `membershipsWeighed` at the end.
local membershipTripped = ''
local planRules, planFamilies, siteProduct, siteFamily

-- Read where it is needed only: most commits are about people whose groups have not changed.
local function hasPlans()
  if not planRules then
    local planned = cjson.decode(redis.call('HGET', p .. 'configuration', 'applied') or '{}')
    planRules, planFamilies = type(planned.groupPlans) == 'table' and planned.groupPlans or {}, {}
    for _, rule in ipairs(planRules) do planFamilies[rule.product] = rule.family end
    if type(planned.productHandle) == 'string' and type(planned.siteFamily) == 'string' then
      siteProduct, siteFamily = planned.productHandle, planned.siteFamily
      planFamilies[siteProduct] = siteFamily
    end
  end
  return #planRules > 0
end

-- What a group was known by before this script, where that changes or ends: { digest of its name, digest of its externalId }.
local knownAs, labels = {}, {}
local function wasKnownAs(group, name, externalId) knownAs[group] = { name or '', externalId or '' } end

local function labelOf(group, before)
  if before and knownAs[group] then return knownAs[group] end
  if not labels[group] then
    local found = redis.call('HMGET', p .. 'group:' .. group, 'name', 'xi')
    labels[group] = { found[1] or '', found[2] or '' }
  end
  return labels[group]
end

-- What these groups give: family -> { mark, given by the site itself }. The same as wantedProducts in provisioning/group-plans.ts.
local function productsOf(groups, before)
  local matches, given, any = {}, {}, false
  for _, group in ipairs(groups) do
    local label = labelOf(group, before)
    if label[1] ~= '' then matches['name:' .. label[1]] = true end
    if label[2] ~= '' then matches['externalId:' .. label[2]] = true end
  end
  for _, rule in ipairs(planRules) do
    if matches[rule.match] and not given[rule.family] then
      local price = type(rule.pricePoint) == 'string' and rule.pricePoint or ''
      given[rule.family] = { mark = rule.product .. '|' .. price, site = false }
      any = true
    end
  end
  if not any and siteProduct then given[siteFamily] = { mark = siteProduct .. '|', site = true } end
  return given
end

-- Whether another label of a group is matched by other rules: even one to the same product may stand before or behind what another group gives.
local function labelMatters(group)
  if not hasPlans() then return false end
  local was, is = labelOf(group, true), labelOf(group, false)
  for _, rule in ipairs(planRules) do
    local function matchedBy(label)
      return (label[1] ~= '' and rule.match == 'name:' .. label[1]) or (label[2] ~= '' and rule.match == 'externalId:' .. label[2])
    end
    if matchedBy(was) ~= matchedBy(is) then return true end
  end
  return false
end

local UNBILLED = { canceled = true, expired = true, failed_to_create = true, on_hold = true }

-- What the subscriptions of lost families bring in, by our memory.
local function lostCentsOf(link, lost)
  local cents = 0
  if not link or link == 'null' then return cents end
  for _, subscription in ipairs(cjson.decode(link).subscriptions or {}) do
    local family = type(subscription.productHandle) == 'string' and planFamilies[subscription.productHandle]
    local bills = not subscription.endedBy and not UNBILLED[subscription.state]
    if family and lost[family] and bills then cents = cents + math.floor((tonumber(subscription.monthlyCents) or 0) + 0.5) end
  end
  return cents
end

local function namesOf(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function momentsOf(text) return text and cjson.decode(text) or {} end

local function storeMoments(key, field, moments)
  if #namesOf(moments) == 0 then
    redis.call('HDEL', key, field)
  else
    redis.call('HSET', key, field, cjson.encode(moments))
  end
end

-- A loss that is new, or new again: it is weighed like a leave, unless this one is held already.
local function addProductLoss(id, key, lost, link, held)
  local cents = lostCentsOf(link, lost)
  if held then
    local before = stakeOf(id)
    addCents('heldCents', cents - before)
    addCents('activeCents', before - cents)
    redis.call('HSET', key, 'leaveAt', now, 'lostCents', cents)
    return
  end
  forgetLoss(id)
  restoreStake(id)
  redis.call('ZREM', p .. 'exempt', id)
  redis.call('HDEL', key, 'hold', 'holdNote', 'lossDone')
  redis.call('HSET', key, 'leaveAt', now, 'leaveWhat', 'product', 'lostCents', cents)
  addLoss(id)
  local why = redis.call('HGET', guardKey, 'why')
  if why then return holdLeave(id, why) end
  local hour, day, active
  why, hour, day, active = weigh(change.guard)
  if why then
    membershipTripped = why
    trip(why, hour, day, active)
  end
end

-- Called once for each person whose groups changed, or whose groups mean something else now, after the groups themselves have changed. Answers the lane to
-- ring in, or nil where nothing is to be done at Maxio.
local function membershipChanged(id, before, after)
  if not hasPlans() then return nil end
  local key = p .. 'user:' .. id
  local user = redis.call('HMGET', key, 'active', 'deleted', 'gen', 'lost', 'spared', 'hold', 'link', 'leaveWhat', 'lossDone')
  if user[1] ~= '1' or user[2] == '1' then return nil end
  local was, is = productsOf(before, true), productsOf(after, false)
  local gone, differs = {}, false
  for family, product in pairs(was) do
    local now_ = is[family]
    if not now_ or now_.mark ~= product.mark then differs = true end
    -- The site's own product is given to those to whom no group gives anything, so in the place of a lost one it is not the same.
    if not now_ or (now_.site and not product.site) then gone[family] = true end
  end
  for family, product in pairs(is) do
    if not was[family] or was[family].site ~= product.site then differs = true end
  end
  if not differs then return nil end

  -- What of a loss is carried out ends nothing any more, and counts until it is given again.
  local lost, spared, done = momentsOf(user[4]), momentsOf(user[5]), momentsOf(user[9])
  local hadLost = #namesOf(lost) > 0
  for family, product in pairs(is) do
    if not product.site then
      lost[family] = nil
      spared[family] = nil
      done[family] = nil
    end
  end
  for family in pairs(gone) do
    lost[family] = now
    spared[family] = nil
  end
  local generation = tonumber(user[3]) + 1
  raiseSchema(p, key, change.version)
  -- What Maxio is asked for from here on was asked for by this request.
  redis.call('HSET', key, 'gen', generation, 'request', change.request)
  redis.call('HDEL', key, 'run')
  redis.call('ZADD', p .. 'dirty', 'NX', now, id)
  redis.call('ZREM', p .. 'due', id)
  redis.call('ZREM', p .. 'parked', id)
  local entry = { kind = 'scim', what = 'groups', requestId = change.request }
  if #namesOf(is) > 0 then entry.gives = namesOf(is) end
  if #namesOf(gone) > 0 then entry.lost = namesOf(gone) end
  appendAudit(p, id, cjson.encode(entry), now, generation)

  storeMoments(key, 'lost', lost)
  storeMoments(key, 'spared', spared)
  storeMoments(key, 'lossDone', done)
  local nothingLost, nothingSpared = #namesOf(lost) == 0, #namesOf(spared) == 0 and #namesOf(done) == 0
  if #namesOf(gone) > 0 then
    addProductLoss(id, key, lost, user[7], user[8] == 'product' and user[6] == 'held')
  elseif nothingLost and nothingSpared then
    if user[8] == 'product' then endLoss(id) end
  elseif nothingLost and hadLost then
    -- What waited is given again; what an operator has spared stays spared.
    forgetLoss(id)
    leaveHold(id)
    restoreStake(id)
    redis.call('HSET', key, 'hold', 'exempt')
    redis.call('ZADD', p .. 'exempt', 'NX', now, id)
  end
  return 'normal'
end

local ENDED = { canceled = true, expired = true, failed_to_create = true }

-- Somebody leaves altogether: what groups and site give them by now, and what was lost or spared, is kept for the day they are back. To be called before the
-- loss becomes a leave.
local function membershipLeft(id, groups)
  if not hasPlans() then return end
  local key = p .. 'user:' .. id
  local user, gave = redis.call('HMGET', key, 'lost', 'spared'), {}
  for family, product in pairs(productsOf(groups, false)) do gave[family] = product.site and 'site' or 'group' end
  for family in pairs(momentsOf(user[2])) do gave[family] = 'spared' end
  for family in pairs(momentsOf(user[1])) do gave[family] = 'group' end
  storeMoments(key, 'gave', gave)
end

-- Somebody who is active again: what of theirs was never ended, and no group gives any more, is lost now. Their groups may have changed while they were
-- away, or a loss may have become a leave that nobody has acted on. What nobody had given them when they left is no loss: it may have come with their
-- customer, or with a directory that was rebuilt and knows no groups yet; and what an operator has spared stays spared.
local function membershipReturned(id, groups, generation)
  local key = p .. 'user:' .. id
  local known = redis.call('HMGET', key, 'link', 'open', 'gave')
  redis.call('HDEL', key, 'gave')
  if not known[3] or not hasPlans() then return end
  local link, gave = known[1], cjson.decode(known[3])
  local is, lost, spared, reviving = productsOf(groups, false), {}, {}, {}
  local function note(product)
    local family = type(product) == 'string' and planFamilies[product]
    local had, given = family and gave[family], family and is[family]
    if not had or (given and not given.site) then return end
    if had == 'spared' then
      spared[family] = now
    elseif not given or (had == 'group' and product ~= siteProduct) then
      lost[family] = now
    end
  end
  -- A call that was never answered may still bring a subscription into being, or back.
  for _, step in ipairs(cjson.decode(known[2] or '[]')) do
    note(step.productHandle)
    if type(step.target) == 'string' then reviving[step.target] = true end
  end
  local remembered = link and link ~= 'null' and cjson.decode(link).subscriptions or {}
  for _, subscription in ipairs(remembered) do
    if not ENDED[subscription.state] or reviving[subscription.id] then note(subscription.productHandle) end
  end
  storeMoments(key, 'spared', spared)
  if #namesOf(lost) > 0 then
    appendAudit(p, id, cjson.encode({ kind = 'scim', what = 'groups', requestId = change.request, lost = namesOf(lost) }), now, generation)
    storeMoments(key, 'lost', lost)
    addProductLoss(id, key, lost, link, false)
  elseif #namesOf(spared) > 0 then
    redis.call('HSET', key, 'leaveAt', now, 'leaveWhat', 'product', 'lostCents', 0, 'hold', 'exempt')
    redis.call('ZADD', p .. 'exempt', now, id)
  end
end

-- Why the guard has tripped by this very script, or ''.
local function membershipsWeighed() return membershipTripped end
