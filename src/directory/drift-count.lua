-- What the report of differences counts by kind, all of them and those that an operator has exempted, and `count(rows, by)` to change it; `saveCounts()` leaves
-- both in the head of the report and answers the former.
-- Rows are flat objects without lists, so that encoding them again changes nothing.
local counts, exempts = {}, {}
local function count(rows, by)
  for _, row in ipairs(rows) do
    counts[row.kind] = math.max(0, (counts[row.kind] or 0) + by)
    if row.exempt == true then exempts[row.kind] = math.max(0, (exempts[row.kind] or 0) + by) end
  end
end
local function textOf(numbers)
  local some = {}
  for kind, number in pairs(numbers) do
    if number > 0 then some[kind] = number end
  end
  return cjson.encode(some)
end
local function saveCounts()
  local text = textOf(counts)
  redis.call('HSET', KEYS[1] .. 'drift', 'counts', text, 'exempts', textOf(exempts))
  return text
end
