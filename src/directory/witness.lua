-- Compares what a process remembers of a site with what this data says, and declares a loss: from then on nothing is written at Maxio, for anybody.
-- KEYS[1] prefix. ARGV: epoch the process knows ('' = none), highest audit seq it has seen, epoch to begin where something is wrong, site fields it knows
-- (JSON list of field, value), 'lost' or 'restored' where somebody says so, 'missing' where a part of people of this epoch is gone
-- ('' = find out), who says it, why (for the mode), how many people it has counted last (-1 = never) and when, the newest schema version it
-- knows, then epochs it knew before.
-- Answers {epoch, audit seq, recovery or '', epochAtMs, siteId or '', test or '', name or '', what was declared now or '',
-- newest schema version ever written here, people counted, now}.
local p, known, knownSeq, found = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[5]
local counted, countedAtMs = tonumber(ARGV[8]), tonumber(ARGV[9])
local key = p .. 'site'
-- So far the clock of Redis may have been set back since.
local CLOCK_MS = 3600000
--#include now
local site = redis.call('HMGET', key, 'epoch', 'recovery', 'epochAtMs', 'siteId', 'test', 'name', 'schema', 'forgotten')
local schema = site[7] or '0'
local epoch = site[1] or ''
local seq = tonumber(redis.call('HGET', p .. 'auditClock', 'seq') or '0')
local references = redis.call('HLEN', p .. 'references')
-- Everybody there ever was. An erasure puts a mark in the place of a reference; what a loss has left of the lists was forgotten (whole-people.lua).
local people = references + redis.call('HLEN', p .. 'erased') + tonumber(site[8] or '0')
local regressed = seq < knownSeq

-- Who is erased once more has their mark already: then the number falls by one, and the mark is new. Releases that do not count here write it, too.
local function erasedSince(ms)
  local newer = 0
  for _, note in ipairs(redis.call('HVALS', p .. 'erased')) do
    local at = string.match(note, '"atMs":(%d+)')
    if at and tonumber(at) >= ms then newer = newer + 1 end
  end
  return newer
end

-- What is left of data that was lost in part may be older than the loss.
local began = found
if found == 'missing' then
  -- Whoever else has found them first has declared it; and what is lost already need not be lost again.
  local mine = epoch == known and site[2] ~= 'lost' and site[2] ~= 'rebuilding'
  found, began = mine and 'lost' or '', 'restored'
end
if found == '' and known ~= '' and epoch ~= known then
  -- A newer epoch that somebody has begun knowing of ours is the history to go on with; it counts from its own beginning.
  if redis.call('HEXISTS', key, 'follows:' .. known) == 0 then
    found = 'lost'
    for i = 11, #ARGV do
      if ARGV[i] == epoch then found = 'restored' end
    end
    began = found
  end
elseif found == '' and regressed then
  found = seq == 0 and 'lost' or 'restored'
  began = found
-- A newer release may keep people otherwise.
elseif found == '' and known ~= '' and tonumber(schema) <= tonumber(ARGV[10]) and counted > people and counted - people > erasedSince(countedAtMs - CLOCK_MS) then
  found, began = references == 0 and 'lost' or 'restored', 'restored'
end
if found == '' then
  return { epoch, seq, site[2] or '', site[3] or '0', site[4] or '', site[5] or '', site[6] or '', '', schema, people, now }
end

-- The numbers of the entries that are gone are not used again: the gap is their record.
if regressed then redis.call('HSET', p .. 'auditClock', 'seq', knownSeq) end
local fields = cjson.decode(ARGV[4])
for i = 1, #fields, 2 do redis.call('HSETNX', key, fields[i], fields[i + 1]) end
for i = 11, #ARGV do redis.call('HSET', key, 'follows:' .. ARGV[i], now) end
if known ~= '' then redis.call('HSET', key, 'follows:' .. known, now) end
if epoch ~= '' then redis.call('HSET', key, 'follows:' .. epoch, now) end
redis.call('HSET', key, 'epoch', ARGV[3], 'epochAtMs', now, 'recovery', found, 'began', began)
redis.call('HSET', p .. 'mode', 'mode', 'observe', 'by', found, 'atMs', now, 'why', ARGV[7])
redis.call('HDEL', p .. 'mode', 'releasedAtMs', 'before', 'release')
--#include audit
local entry = string.format('{"kind":"run","what":"site-%s","actor":"%s","seqFound":%d,"seqKnown":%d}', found, ARGV[6], seq, knownSeq)
appendAudit(p, '', entry, now, 0)
site = redis.call('HMGET', key, 'siteId', 'test', 'name')
return { ARGV[3], math.max(seq, knownSeq) + 1, found, now, site[1] or '', site[2] or '', site[3] or '', found, schema, people, now }
