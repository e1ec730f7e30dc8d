-- Shared beginning of the budget scripts: keys, the moment, and the counts as they stand at that moment.
-- KEYS[1] prefix (one hash tag), ARGV[1] JSON. `now` is Redis TIME in ms; only tests hand one in.
-- A moment that lies further ahead than its longest span was set by a clock that has since stepped back: it is pulled in, never trusted.
local p, q = KEYS[1], cjson.decode(ARGV[1])
local stateKey, callsKey, slotsKey, waitingKey = p .. 'budget', p .. 'budget:calls', p .. 'budget:slots', p .. 'budget:waiting'
local now = q.now
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local CHUNK = 200 -- fields per HMGET and HDEL; Lua's unpack is limited
local KEEP_MS = 60000 -- shortest life of a key, for scaled windows
local PAUSE_MEMORY_MS = 3600000 -- how long a pause is remembered beyond its end

local function int(x) return string.format('%.0f', x) end

local function keepState(untilMs)
  local ttl = math.max(q.windowMs + 2 * q.bucketMs, KEEP_MS)
  if untilMs then ttl = math.max(ttl, untilMs - now + PAUSE_MEMORY_MS) end
  redis.call('PEXPIRE', stateKey, int(ttl))
end

-- Calls `visit(index, count)` for the non-empty buckets first..last in order, until it answers true.
local function eachBucket(first, last, visit)
  for from = first, last, CHUNK do
    local names = {}
    for i = from, math.min(from + CHUNK - 1, last) do names[#names + 1] = int(i) end
    local counts = redis.call('HMGET', callsKey, unpack(names))
    for k, count in ipairs(counts) do
      if count and visit(from + k - 1, tonumber(count)) then return end
    end
  end
end

-- Forgets the calls that have left the window and answers { sum, head, current }: the calls in force, the oldest bucket that may
-- hold one, the bucket of this moment. A bucket leaves when its END is a whole window old, so the window in force is never too short.
local function liveCalls()
  local stored = redis.call('HMGET', stateKey, 'sum', 'head', 'newest', 'bucketMs')
  local current, firstLive = math.floor(now / q.bucketMs), math.floor((now - q.windowMs) / q.bucketMs)
  local sum = tonumber(stored[1]) or 0
  if sum <= 0 then return { sum = 0, head = current, current = current } end
  local head, newest = tonumber(stored[2]), tonumber(stored[3])

  if tonumber(stored[4]) ~= q.bucketMs then
    -- Another window length: every call counts as made now, which is late but never early.
    redis.call('DEL', callsKey)
    redis.call('HSET', callsKey, int(current), int(sum))
    head, newest = current, current
  elseif newest > current then
    -- The clock stepped back. Calls dated in the future were made before now, so dating them now errs on the safe side.
    local folded = 0
    local all = redis.call('HGETALL', callsKey)
    for k = 1, #all, 2 do
      if tonumber(all[k]) > current then
        folded = folded + tonumber(all[k + 1])
        redis.call('HDEL', callsKey, all[k])
      end
    end
    redis.call('HINCRBY', callsKey, int(current), int(folded))
    head, newest = math.min(head, current), current
  end

  if newest < firstLive then
    redis.call('DEL', callsKey)
    sum, head = 0, current
  elseif head < firstLive then
    local gone = {}
    eachBucket(head, firstLive - 1, function(i, count)
      sum = sum - count
      gone[#gone + 1] = int(i)
    end)
    for from = 1, #gone, CHUNK do redis.call('HDEL', callsKey, unpack(gone, from, math.min(from + CHUNK - 1, #gone))) end
    head = firstLive
  end
  redis.call('HSET', stateKey, 'sum', int(sum), 'head', int(head), 'newest', int(newest), 'bucketMs', int(q.bucketMs))
  return { sum = sum, head = head, current = current }
end

-- Frees the slots whose time is over and answers how many are taken.
local function takenSlots()
  redis.call('ZREMRANGEBYSCORE', slotsKey, '-inf', int(now))
  local latest = int(now + q.holdMs)
  for _, slot in ipairs(redis.call('ZRANGEBYSCORE', slotsKey, '(' .. latest, '+inf')) do redis.call('ZADD', slotsKey, latest, slot) end
  return redis.call('ZCARD', slotsKey)
end
