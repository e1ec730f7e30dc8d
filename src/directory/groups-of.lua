-- The groups of one person: a sorted list of ids in their record, kept in step with `members:GROUP` by every script that touches either.
-- For scripts with `p` (prefix).
-- One list for all who are in no group, or in the first one they join: lists are never changed, and tens of thousands of them would cost.
local NONE, ALONE = {}, {}

local function groupsOf(id)
  local list = redis.call('HGET', p .. 'user:' .. id, 'groups')
  return list and cjson.decode(list) or NONE
end

local function withoutGroup(list, group)
  if #list == 1 and list[1] == group then return NONE end
  local others = {}
  for _, one in ipairs(list) do
    if one ~= group then others[#others + 1] = one end
  end
  return others
end

local function withGroup(list, group)
  if #list == 0 then
    ALONE[group] = ALONE[group] or { group }
    return ALONE[group]
  end
  local all, placed = {}, false
  for _, one in ipairs(withoutGroup(list, group)) do
    if not placed and group < one then
      all[#all + 1] = group
      placed = true
    end
    all[#all + 1] = one
  end
  if not placed then all[#all + 1] = group end
  return all
end

-- Nobody has an empty list: without groups there is no field.
local function setGroups(id, list)
  -- Most people are in one group, if any: spares them the way through cjson.
  if #list == 1 then
    redis.call('HSET', p .. 'user:' .. id, 'groups', '["' .. list[1] .. '"]')
  elseif #list == 0 then
    redis.call('HDEL', p .. 'user:' .. id, 'groups')
  else
    redis.call('HSET', p .. 'user:' .. id, 'groups', cjson.encode(list))
  end
end

-- Which of these ids are not in a sorted set, in their order; asked in pieces, since a command has its limit of arguments.
local function missingFrom(set, ids)
  local missing = {}
  for first = 1, #ids, 1000 do
    local last = math.min(first + 999, #ids)
    local scores = redis.call('ZMSCORE', set, unpack(ids, first, last))
    for i = first, last do
      if not scores[i - first + 1] then missing[#missing + 1] = ids[i] end
    end
  end
  return missing
end

-- Puts ids into a sorted set behind a score, or takes them out, in pieces.
local function joinAll(set, ids, last)
  for first = 1, #ids, 500 do
    local pairs_ = {}
    for i = first, math.min(first + 499, #ids) do
      pairs_[#pairs_ + 1] = last + i
      pairs_[#pairs_ + 1] = ids[i]
    end
    redis.call('ZADD', set, unpack(pairs_))
  end
end

local function leaveAll(set, ids)
  for first = 1, #ids, 1000 do redis.call('ZREM', set, unpack(ids, first, math.min(first + 999, #ids))) end
end
